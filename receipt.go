package signum

import "time"

// ReceiptRequest is MSS_ReceiptReq: a text for the user after a successful
// signature, one at most for each signature. The standard's Status is left out,
// because what a party writes there changes nothing.
type ReceiptRequest struct {
	Header
	TransID   string // MSSP_TransID of the signature
	MSISDN    string // as sent; the number of the signature
	Message   DataToBeSigned
	Extension *ReceiptRequestExtension // nil: the party does not ask what became of the receipt
}

// ReceiptRequestExtension asks what became of a receipt. Its fields are as sent.
type ReceiptRequestExtension struct {
	MessagingMode string // only synch
	Language      string // of ReceiptProfile
	ProfileURI    string // ReceiptProfileURI
	UserAck       string // xs:boolean: whether to wait for the user
}

// ReceiptResponse is MSS_ReceiptResp.
type ReceiptResponse struct {
	Header
	Status    Code
	Extension *ReceiptResponseExtension // nil unless the request had one
}

// ReceiptResponseExtension tells what became of a receipt.
type ReceiptResponseExtension struct {
	ClientAck    bool   // false, as in the public service
	NetworkAck   bool   // false, as in the public service
	UserAck      bool   // the phone told what the user did
	UserResponse string // a ReceiptResult as {"status":"OK"}; empty without UserAck
	FaultMessage string // in words; empty unless the user cancelled
}

// Operation implements Request.
func (*ReceiptRequest) Operation() Operation { return OpReceipt }

func (*ReceiptResponse) response() {}

// ReceiptResult is what became of a receipt on the phone.
type ReceiptResult string

// The results of a receipt.
const (
	ReceiptPending   ReceiptResult = ""        // not known yet
	ReceiptAccepted  ReceiptResult = "OK"      // the user pressed OK
	ReceiptCancelled ReceiptResult = "CANCEL"  // the user pressed Cancel
	ReceiptTimedOut  ReceiptResult = "TIMEOUT" // shown for ReceiptShown, and the user did nothing
	ReceiptLost      ReceiptResult = "LOST"    // no answer within ReceiptWait; it may have been shown
)

// How long a receipt takes.
const (
	ReceiptShown = 60 * time.Second // how long a phone shows it
	ReceiptWait  = 80 * time.Second // how long the service waits for the phone's answer
)
