package signum

import "time"

// State is where a transaction stands. It leaves StateOutstanding once.
//
//	outstanding ── answer ──▶ signed
//	      └── fault, expiry ─▶ failed
type State string

// The states.
const (
	StateOutstanding State = "outstanding"
	StateSigned      State = "signed"
	StateFailed      State = "failed"
)

// Transaction is one signature request after it was accepted.
type Transaction struct {
	ID        string // MSSP_TransID, a short NCName
	APID      string
	APTransID string
	APInstant time.Time // unique with APID and APTransID

	MSISDN     string // E.164 with leading +
	MSISDNSent string // as the party wrote it
	DeviceID   string
	Method     Method
	Async      bool
	Lang       string // en, de, fr or it
	MimeType   string
	Text       string // what the phone shows

	SignedAttrs []byte       // DER of the signed attributes: the to-be-signed bytes
	CertSerial  string       // of the signer's certificate
	Certificate *Certificate // the same, joined in when read; nil when written

	State    State
	Outcome  Outcome // meaningful once State is not outstanding
	Created  time.Time
	Expires  time.Time
	Finished time.Time // zero while outstanding
}

// Outcome is how a transaction ended.
type Outcome struct {
	Code      Code   // SignatureMade, or the code of the fault
	Detail    string // of the fault
	Signature []byte // of the device, verified; nil unless Code is SignatureMade
}

// Fault is the outcome as an error, nil if the transaction succeeded.
func (o Outcome) Fault() *Fault {
	if o.Code == SignatureMade {
		return nil
	}
	return &Fault{Code: o.Code, Detail: o.Detail}
}

// Failed is the outcome of a fault.
func Failed(f *Fault) Outcome { return Outcome{Code: f.Code, Detail: f.Detail} }

// FinalState is the state that the outcome leads to.
func (o Outcome) FinalState() State {
	if o.Code == SignatureMade {
		return StateSigned
	}
	return StateFailed
}
