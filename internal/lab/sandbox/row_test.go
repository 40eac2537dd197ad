package sandbox

import (
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/person"
)

// A developer signs all day with one number: no limit of the sandbox ends that, on any
// method.
func TestManySignaturesOfOneNumber(t *testing.T) {
	t.Parallel()
	const many = 60
	f := newFixture(t)
	for name, tt := range map[string]struct {
		method  signum.Method
		profile string
		want    signum.Code
	}{
		"SIM": {signum.SIM, signum.ProfileAnyLoA4, signum.SignatureMade},
		"App": {signum.App, signum.ProfileAnyLoA4, signum.SignatureMade},
		"OTP": {signum.SIM, signum.ProfileOTPText, signum.RequestOK},
	} {
		t.Run(name, func(t *testing.T) {
			msisdn := f.addUser(person.Approve, tt.method)
			for n := range many {
				resp := f.sign(t, wires[n%2], f.request(msisdn, func(r *request) { r.Profile = tt.profile }))
				if resp.Status != tt.want {
					t.Fatalf("request %d: %v, want %v", n+1, resp.Status, tt.want)
				}
			}
		})
	}
}
