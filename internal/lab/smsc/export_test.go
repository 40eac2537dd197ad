package smsc

import (
	"bytes"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/sms"
)

// CheckConversion checks that an accepted submit_sm becomes a TPDU with the same
// content.
func CheckConversion(t *testing.T, m *smpp.SubmitSM) {
	d, st := deliverOf(m, time.Now())
	if st != smpp.StatusOK {
		return
	}
	b, err := d.MarshalBinary()
	if err != nil {
		t.Fatalf("%+v: %v", d, err)
	}
	got, err := sms.ParseDeliver(b)
	if err != nil {
		t.Fatalf("%X: %v", b, err)
	}
	back, err := got.Unpacked()
	if err != nil {
		t.Fatalf("%X: %v", b, err)
	}
	if m.DataCoding != codingASCII && m.DataCoding != codingLatin1 && !bytes.Equal(back, m.ShortMessage) {
		t.Fatalf("%X, want %X", back, m.ShortMessage)
	}
}
