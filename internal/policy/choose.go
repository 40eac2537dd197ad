package policy

import (
	"slices"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// Ask is what a party wants of a subscriber.
type Ask struct {
	Party      *mssp.Party
	Subscriber *mssp.Subscriber // nil: unknown
	Profile    string           // as it applies to the party, see Content
	Approval   bool             // a transaction approval: Apps only, by their profile
	AppOnly    bool             // a service that a SIM cannot give
	Home       string           // MCC and MNC of the network that locates its SIMs
	Now        time.Time
}

// Choice is the device that shall sign.
type Choice struct {
	Device   *mssp.Device
	Revoked  bool           // its certificate is revoked: the transaction ends with 501
	Activate signum.KeyType // not empty: the SIM must be activated first, with a key of this kind
}

// Choose finds the device. Refusals are 105, 403, 404, 109, 402, 422.
func Choose(a *Ask) (Choice, error) {
	c, err := candidate(a)
	switch {
	case err != nil:
		return Choice{}, err
	case c.Activate != "":
		return c, nil
	case c.Device.PINBlocked:
		return Choice{}, signum.NewFault(signum.PINBlocked)
	}
	c.Revoked, err = certified(c.Device, a.Now)
	return c, err
}

// candidate is the device that the profile means, whatever its PIN and
// certificate are like.
func candidate(a *Ask) (Choice, error) {
	s, p := a.Subscriber, a.Party
	if s == nil {
		return Choice{}, signum.NewFault(signum.UnknownClient)
	}
	if s.State != mssp.SubscriberActive {
		return Choice{}, signum.NewFault(signum.CardBlocked)
	}
	sim, app, dormant := device(s, signum.SIM, signum.DeviceActive), device(s, signum.App, signum.DeviceActive), ActivatableSIM(p, s)
	// A party that cannot reach Apps must not learn that there is one.
	if sim == nil && (app == nil || !p.MayUseApp()) {
		switch {
		case dormant != nil && mayUseSIM(a.Profile):
		case mayUseSIM(a.Profile) && device(s, signum.SIM, signum.DeviceRegistered) != nil:
			return Choice{}, signum.NewFault(signum.NoKeyFound)
		default:
			return Choice{}, signum.NewFault(signum.UnknownClient)
		}
	}
	if a.Approval && a.Profile != signum.ProfileDevice {
		return Choice{}, signum.NewFault(signum.UnsupportedProfile)
	}
	if a.AppOnly || a.Profile == signum.ProfileAnyGeo && !atHome(sim, a.Home) {
		sim = nil // cannot show, or does not know where it is
	}
	if a.AppOnly || a.Profile == signum.ProfileAnyGeo && !atHome(dormant, a.Home) {
		dormant = nil
	}
	if d := byProfile(a.Profile, sim, app); d != nil {
		return Choice{Device: d}, nil
	}
	if k := keyOf(a.Profile, dormant); k != "" {
		return Choice{Device: dormant, Activate: k}, nil
	}
	return Choice{}, signum.NewFault(signum.UnsupportedProfile)
}

// byProfile is nil where the profile admits neither device.
func byProfile(profile string, sim, app *mssp.Device) *mssp.Device {
	switch profile {
	case signum.ProfileSTK:
		return sim
	case signum.ProfileDevice:
		return app
	case signum.ProfileAnyLoA4, signum.ProfileAnyGeo:
		if sim != nil {
			return sim
		}
		return app
	case signum.ProfileAuth1ECC:
		return withKey(sim, signum.EC)
	case signum.ProfileAuth1RSA:
		return withKey(sim, signum.RSA)
	}
	return nil // one-time passwords are not signatures
}

// ActivatableSIM is the SIM that a request of the party would activate: one without
// or with a switched-off key, of a subscriber who has no active one. Nil if
// there is none, or the party has no auto activation.
func ActivatableSIM(p *mssp.Party, s *mssp.Subscriber) *mssp.Device {
	if !p.AutoActivation || device(s, signum.SIM, signum.DeviceActive) != nil {
		return nil
	}
	if d := device(s, signum.SIM, signum.DeviceRegistered); d != nil {
		return d
	}
	return device(s, signum.SIM, signum.DeviceInactive)
}

// keyOf is the kind of key that a dormant SIM gets for a profile, empty if it
// cannot serve it.
func keyOf(profile string, d *mssp.Device) signum.KeyType {
	if d == nil || !mayUseSIM(profile) || signum.IsOTP(profile) {
		return ""
	}
	want := d.KeyType
	switch profile {
	case signum.ProfileAuth1ECC:
		want = signum.EC
	case signum.ProfileAuth1RSA:
		want = signum.RSA
	}
	switch {
	case want == "":
		return signum.EC
	case d.KeyType != "" && d.KeyType != want:
		return ""
	}
	return want
}

func mayUseSIM(profile string) bool { return profile != signum.ProfileDevice }

// atHome reports whether the SIM is of the network that can locate it.
func atHome(d *mssp.Device, home string) bool {
	return d != nil && home != "" && d.Network.MCC+d.Network.MNC == home
}

// GeoErrorOf is why a device cannot be located, known before it is asked.
func GeoErrorOf(p *mssp.Party, d *mssp.Device, home string) signum.GeoError {
	switch {
	case !p.Subscribed(signum.ServiceGeofencing):
		return signum.GeoNotAuthorised
	case d.Method == signum.SIM && !atHome(d, home):
		return signum.GeoForeignSIM
	}
	return 0
}

func withKey(d *mssp.Device, k signum.KeyType) *mssp.Device {
	if d != nil && d.KeyType == k {
		return d
	}
	return nil
}

func device(s *mssp.Subscriber, m signum.Method, states ...signum.DeviceState) *mssp.Device {
	for i := range s.Devices {
		if d := &s.Devices[i]; d.Method == m && (len(states) == 0 || slices.Contains(states, d.State)) {
			return d
		}
	}
	return nil
}

// certified looks at the certificate: an active device without one has no key
// we know, an expired one is 422.
func certified(d *mssp.Device, now time.Time) (revoked bool, err error) {
	c := d.Certificate
	switch {
	case c == nil || c.State == mssp.CertificateIntended:
		return false, signum.NewFault(signum.NoKeyFound)
	case c.State == mssp.CertificateRevoked:
		return true, nil
	case !now.Before(c.NotAfter):
		return false, signum.NewFault(signum.NoCertFound)
	}
	return false, nil
}
