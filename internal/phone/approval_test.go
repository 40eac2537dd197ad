package phone_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/phone"
)

const approval = `{"type":"Payment","dtbd":[{"key":"To","value":"Zoë"},{"value":"10","key":"CHF"}]}`

// signedRows are written down, not computed by the domain.
const signedRows = `{"format_version":1,"content_string":"[{\"key\":\"To\",\"value\":\"Zoë\"},{\"value\":\"10\",\"key\":\"CHF\"}]"}`

func approvalRequest(d *phone.Device, transID, text string) mssp.DeviceRequest {
	r := request(d, transID, signedRows)
	r.MimeType, r.Text = signum.MimeTxnApproval, text
	return r
}

func TestTransactionApproval(t *testing.T) {
	l := newLab(t, signum.EC, 0)
	r := approvalRequest(l.app, "t1", approval)
	if got := l.app.Receive(r); !got.Asked {
		t.Fatalf("%+v", got)
	}
	if s, ok := l.app.Shown(); !ok || s.MimeType != signum.MimeTxnApproval || s.Text != approval {
		t.Errorf("%+v", s)
	}
	if a, err := l.app.EnterPIN("t1", "pass phrase"); err != nil || !verify(t, l.app, r.SignedAttrs, a.Signature) {
		t.Errorf("%+v, %v", a, err)
	}
	got := l.sim.Receive(approvalRequest(l.sim, "t1", approval))
	if got.Asked || code(got.Answers[0]) != signum.InternalError {
		t.Errorf("a SIM: %+v", got)
	}
	if e := l.diary.all()[3]; e.Kind != phone.Refused || !strings.Contains(e.Reason, "a SIM") {
		t.Errorf("%+v", e)
	}
}

// One byte of the payload changed, whichever: it is not the digest, or it is
// no payload. The title is not signed.
func TestTransactionApprovalDigest(t *testing.T) {
	d, err := phone.NewDevice(phone.DeviceSpec{ID: "d", MSISDN: msisdn, Method: signum.App}, phone.Config{})
	if err != nil {
		t.Fatal(err)
	}
	title := strings.Index(approval, "Payment")
	for i := range len(approval) {
		if i >= title && i < title+len("Payment") {
			continue
		}
		for _, c := range []byte{approval[i] ^ 1, approval[i] ^ 0x20, ' ', 0, '"'} {
			if c == approval[i] {
				continue
			}
			text := approval[:i] + string([]byte{c}) + approval[i+1:]
			if got := d.Receive(approvalRequest(d, fmt.Sprint(i, c), text)); got.Asked || code(got.Answers[0]) != signum.InternalError {
				t.Fatalf("%q: %+v", text, got)
			}
		}
	}
	// As a text it is signed as it stands.
	r := request(d, "t2", approval)
	r.MimeType = signum.MimeTxnApproval
	if got := d.Receive(r); got.Asked {
		t.Errorf("%+v", got)
	}
	// The attributes changed while it was shown.
	r = approvalRequest(d, "t3", approval)
	d.Receive(r)
	sum := sha256.Sum256([]byte(strings.Replace(signedRows, "10", "11", 1)))
	copy(r.SignedAttrs[len(r.SignedAttrs)-len(sum):], sum[:])
	if a, err := d.EnterPIN("t3", phone.DefaultPIN); err != nil || code(a) != signum.InternalError {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := d.EnterPIN("t3", phone.DefaultPIN); !errors.Is(err, phone.ErrNotShown) {
		t.Error(err)
	}
}
