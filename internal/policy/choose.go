package policy

import (
	"time"

	"github.com/signum-mssp/signum"
)

// Choice is the device that shall sign.
type Choice struct {
	Device  *signum.Device
	Revoked bool // its certificate is revoked: the transaction ends with 501
}

// Choose finds the device for a profile as the party sent it, among those of
// the subscriber (nil: unknown). Refusals are 105, 403, 404, 109, 422.
func Choose(p *signum.Party, s *signum.Subscriber, profile string, now time.Time) (Choice, *signum.Fault) {
	if s == nil {
		return Choice{}, signum.NewFault(signum.UnknownClient)
	}
	if s.State != signum.SubscriberActive {
		return Choice{}, signum.NewFault(signum.CardBlocked)
	}
	profile = p.Resolve(profile)
	sim, app := device(s, signum.SIM, signum.DeviceActive), device(s, signum.App, signum.DeviceActive)
	// A party that cannot reach Apps must not learn that there is one.
	if sim == nil && (app == nil || !p.MayUseApp()) {
		if mayUseSIM(profile) && device(s, signum.SIM, signum.DeviceRegistered) != nil {
			return Choice{}, signum.NewFault(signum.NoKeyFound)
		}
		return Choice{}, signum.NewFault(signum.UnknownClient)
	}
	d := byProfile(profile, sim, app)
	if d == nil {
		return Choice{}, signum.NewFault(signum.UnsupportedProfile)
	}
	return usable(d, now)
}

// byProfile is nil where the profile admits neither device.
func byProfile(profile string, sim, app *signum.Device) *signum.Device {
	switch profile {
	case signum.ProfileSTK:
		return sim
	case signum.ProfileDevice:
		return app
	case signum.ProfileAnyLoA4:
		if sim != nil {
			return sim
		}
		return app
	case signum.ProfileAnyGeo:
		// A SIM would come first if its network told where it is. No bearer
		// does, so the App, which can.
		return app
	case signum.ProfileAuth1ECC:
		return withKey(sim, signum.EC)
	case signum.ProfileAuth1RSA:
		return withKey(sim, signum.RSA)
	}
	return nil // one-time passwords are not signatures
}

func mayUseSIM(profile string) bool {
	return profile != signum.ProfileDevice
}

func withKey(d *signum.Device, k signum.KeyType) *signum.Device {
	if d != nil && d.KeyType == k {
		return d
	}
	return nil
}

func device(s *signum.Subscriber, m signum.Method, st signum.DeviceState) *signum.Device {
	for i := range s.Devices {
		if d := &s.Devices[i]; d.Method == m && d.State == st {
			return d
		}
	}
	return nil
}

// usable looks at the certificate: an active device without one has no key we
// know, an expired one is 422.
func usable(d *signum.Device, now time.Time) (Choice, *signum.Fault) {
	c := d.Certificate
	switch {
	case c == nil || c.State == signum.CertificateIntended:
		return Choice{}, signum.NewFault(signum.NoKeyFound)
	case c.State == signum.CertificateRevoked:
		return Choice{Device: d, Revoked: true}, nil
	case !now.Before(c.NotAfter):
		return Choice{}, signum.NewFault(signum.NoCertFound)
	}
	return Choice{Device: d}, nil
}
