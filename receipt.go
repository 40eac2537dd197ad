package signum

import "time"

// ReceiptRequest is MSS_ReceiptReq: a text for the user after a successful
// signature. The Status of the standard is not kept: what a party writes there
// changes nothing.
type ReceiptRequest struct {
	Header
	TransID   string // MSSP_TransID of the signature
	MSISDN    string // as sent
	Message   DataToBeSigned
	Extension *ReceiptRequestExtension // nil: not asked for
}

// ReceiptRequestExtension asks what became of a receipt; fields as sent.
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
	Extension *ReceiptResponseExtension // nil unless it was asked for
}

// ReceiptResponseExtension tells what became of a receipt.
type ReceiptResponseExtension struct {
	ClientAck    bool // always false, as the public service says
	NetworkAck   bool // always false, as the public service says
	UserAck      bool
	UserResponse string // {"status":"OK"} and the like; empty without UserAck
	FaultMessage string
}

// Operation implements Request.
func (*ReceiptRequest) Operation() Operation { return OpReceipt }

func (*ReceiptResponse) response() {}

// ReceiptResult is what became of a receipt on the phone.
type ReceiptResult string

// The results.
const (
	ReceiptPending   ReceiptResult = ""        // not known yet
	ReceiptAccepted  ReceiptResult = "OK"      // the user pressed OK
	ReceiptCancelled ReceiptResult = "CANCEL"  // the user pressed Cancel
	ReceiptTimedOut  ReceiptResult = "TIMEOUT" // shown for ReceiptShown, and nobody touched it
	ReceiptLost      ReceiptResult = "LOST"    // no answer within ReceiptWait: it may have been shown or not
)

// Times of a receipt.
const (
	ReceiptShown = 60 * time.Second // how long a phone shows it
	ReceiptWait  = 80 * time.Second // how long to wait for the phone's answer
)
