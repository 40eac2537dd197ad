package policy

import (
	"slices"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// TestThirdMethod: a method that exists only as a row of the tables is chosen, refused
// and listed like the others. The package does not know its name.
func TestThirdMethod(t *testing.T) {
	const vault, itsProfile = signum.Method("Vault"), "https://example.com/Vault"
	methods, profiles := mssp.Methods, mssp.Profiles
	t.Cleanup(func() { mssp.Methods, mssp.Profiles = methods, profiles })
	mssp.Methods = append(slices.Clone(methods), mssp.MethodSpec{
		Method: vault, Timeout: time.Minute, Profile: itsProfile, Approvals: true, Locates: true, Discreet: true,
		Activated: true,
	})
	mssp.Profiles = append(slices.Clone(profiles), mssp.ProfileSpec{URI: itsProfile, Methods: []signum.Method{vault}})
	mssp.Profiles[0].Methods = []signum.Method{signum.SIM, signum.App, vault} // Any-LoA4

	may := party(func(p *mssp.Party) { p.Profiles = append(slices.Clone(p.Profiles), itsProfile) })
	mayNot := party(func(p *mssp.Party) { p.Profiles, p.AuthProfile1 = []string{signum.ProfileSTK}, "" })
	auto := party(func(p *mssp.Party) { p.Profiles, p.AutoActivation = may.Profiles, true })
	registered := user(dev(vault, func(d *mssp.Device) { d.State, d.Certificate = signum.DeviceRegistered, nil }))
	approval := func(a *Ask) { a.Approval = true }
	interactive := func(a *Ask) { a.Interactive = true }
	for _, tt := range []struct {
		name    string
		p       *mssp.Party
		s       *mssp.Subscriber
		profile string
		change  func(*Ask)
		want    string
	}{
		{"its profile", may, user(dev(signum.SIM), dev(vault)), itsProfile, nil, "Vault"},
		{"any, when it is alone", may, user(dev(vault)), signum.ProfileAnyLoA4, nil, "Vault"},
		{"any, beside an App", may, user(dev(vault), dev(signum.App)), signum.ProfileAnyLoA4, nil, "App"},
		{"a profile that does not admit it", may, user(dev(vault)), signum.ProfileSTK, nil, "109"},
		{"a party that must not know of it", mayNot, user(dev(vault)), signum.ProfileSTK, nil, "105"},
		{"approval", may, user(dev(vault)), itsProfile, approval, "Vault"},
		{"a link", may, user(dev(vault)), itsProfile, interactive, "109"},
		{"registered", may, registered, itsProfile, nil, "404"},
		{"activated on the way", auto, registered, itsProfile, nil, "activate EC"},
	} {
		change := tt.change
		if change == nil {
			change = func(*Ask) {}
		}
		if got := outcome(tt.p, tt.s, tt.profile, change); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
	c, err := Capabilities(may, user(dev(vault), dev(signum.SIM)), home, now)
	if err != nil || len(c.Devices) != 2 || c.Devices[1].Method != vault {
		t.Errorf("capabilities: %+v, %v", c, err)
	}
	if got := GeoErrorOf(subscribed(), &mssp.Device{Method: vault}, home); got != 0 {
		t.Errorf("a method that locates itself: %v", got)
	}
}
