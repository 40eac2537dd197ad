package mssp

import (
	"time"

	"github.com/signum-mssp/signum"
)

// Receipt is a receipt that was accepted. A transaction has at most one.
type Receipt struct {
	TransID  string // of the signature
	DeviceID string
	Method   signum.Method
	MSISDN   string // E.164 with leading +
	Lang     string
	MimeType string
	Text     string
	Created  time.Time
	Expires  time.Time
	Result   signum.ReceiptResult
	Finished time.Time // zero while pending
}
