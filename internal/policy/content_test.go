package policy

import (
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// TestDisplayed: a party may say what is to be displayed only if it is what is signed.
func TestDisplayed(t *testing.T) {
	const approval = `{"type":"Pay","dtbd":[{"key":"To","value":"Bank: ACME"}]}`
	anything := party(func(p *mssp.Party) { p.Profiles = append(p.Profiles, signum.ProfileDevice) })
	for _, tt := range []struct {
		mime, signed, displayed string
		want                    signum.Code
	}{
		{signum.MimeText, "Bank: Login?", "", 0},
		{signum.MimeText, "Bank: Login?", "Bank: Login?", 0},
		{signum.MimeText, "Bank: Login?", " \r\n\t", 0},
		{signum.MimeText, "Bank: Login?", "Bank: Login", 101},
		{signum.MimeText, "Bank: Login?", "Bank: Login? ", 101},
		{signum.MimeText, "Bank: Login?", "bank: login?", 101},
		{signum.MimeText, "Login?", "Bank: Login?", 101}, // before the prefix
		{signum.MimeText, "Login?", "Login?", 107},
		{signum.MimeTxnApproval, approval, approval, 0},
		{signum.MimeTxnApproval, approval, "Bank: ACME", 101},
	} {
		r := request(func(r *signum.SignatureRequest) {
			r.Data.MimeType, r.Data.Data, r.Displayed = tt.mime, tt.signed, tt.displayed
		})
		if _, err := SignatureContent(anything, r, false); code(err) != tt.want {
			t.Errorf("%q beside %q: %v, want %d", tt.displayed, tt.signed, err, tt.want)
		}
	}
}
