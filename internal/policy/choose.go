package policy

import (
	"cmp"
	"slices"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// Ask is what a party asks of a subscriber, with what is needed to choose the
// devices.
type Ask struct {
	Party       *mssp.Party
	Subscriber  *mssp.Subscriber // nil: unknown
	Profile     string           // as it applies to the party, see Content
	Approval    bool             // a transaction approval; not every method can show one
	Interactive bool             // a service for which showing a text is not enough
	Home        string           // MCC and MNC of the network that locates its SIMs
	Now         time.Time
}

// Choice is the candidates: the devices that are asked to sign, one of which will.
type Choice struct {
	Devices  []*mssp.Device // at least one, all of one method; several only of a method that allows it
	Revoked  bool           // there is one, and its certificate is revoked: the transaction ends with 501
	Activate signum.KeyType // not empty: there is one, a SIM that must be activated first, with a key of this kind
}

// Choose finds the devices that are asked to sign. It refuses with 105, 403, 404,
// 109, 402 or 422.
func Choose(a *Ask) (Choice, error) {
	c, err := meant(a)
	if err != nil || c.Activate != "" {
		return c, err
	}
	able, revoked, err := candidates(c.Devices, a.Now)
	if revoked != nil {
		return Choice{Devices: []*mssp.Device{revoked}, Revoked: true}, nil
	}
	return Choice{Devices: able}, err
}

// Candidates returns the devices of a method that may sign now. If there is none, it
// returns why: 105, 403, 404, 402, 422 or 501.
func Candidates(s *mssp.Subscriber, m signum.Method, now time.Time) ([]*mssp.Device, error) {
	if s.State != mssp.SubscriberActive {
		return nil, suspended()
	}
	able, revoked, err := candidates(devices(s, m, signum.DeviceActive), now)
	if revoked != nil {
		err = signum.NewFault(signum.RevokedCertificate)
	}
	return able, err
}

// candidates returns those of the active devices that may sign. If there is none,
// it returns why: 402 if a PIN is blocked, else 422 if a certificate has expired,
// else a device whose certificate is revoked, else 404, else 105.
func candidates(active []*mssp.Device, now time.Time) (able []*mssp.Device, revoked *mssp.Device, err error) {
	var why [4]error
	for _, d := range active {
		off, err := certified(d, now)
		switch f := signum.AsFault(err); {
		case d.PINBlocked:
			why[0] = blocked(d)
		case f != nil && f.Code == signum.NoCertFound:
			why[1] = err
		case err != nil:
			why[2] = err
		case off:
			revoked = d
		default:
			able = append(able, d)
		}
	}
	why[3] = mssp.Noted(signum.NewFault(signum.UnknownClient), "no device of the method is active")
	switch {
	case len(able) > 0:
		return able, nil, nil
	case revoked != nil && why[0] == nil && why[1] == nil:
		return nil, revoked, nil
	}
	return nil, nil, cmp.Or(why[:]...)
}

// meant finds the devices that the profile means, without looking at their PINs or
// certificates.
func meant(a *Ask) (Choice, error) {
	s, p := a.Subscriber, a.Party
	if s == nil {
		return Choice{}, noAccount()
	}
	if s.State != mssp.SubscriberActive {
		return Choice{}, suspended()
	}
	profile, inactive := mssp.ProfileOf(a.Profile), ActivatableSIM(p, s)
	if !hasActive(p, s) && (inactive == nil || !profile.Admits(inactive.Method)) {
		return Choice{}, errNothingActive(profile, s)
	}
	if profile == nil || a.Approval && !approvals(profile) {
		return Choice{}, mssp.Noted(signum.NewFault(signum.UnsupportedProfile), "the profile is unknown, or admits a device that cannot show a transaction approval: %.100q", a.Profile)
	}
	for _, m := range profile.Methods {
		var able []*mssp.Device
		for _, d := range devices(s, m, signum.DeviceActive) {
			if a.serves(profile, d) && (profile.KeyType == "" || profile.KeyType == d.KeyType) {
				able = append(able, d)
			}
		}
		if len(able) > 0 {
			return Choice{Devices: able}, nil
		}
	}
	if inactive != nil && profile.Admits(inactive.Method) && a.serves(profile, inactive) {
		if k := newKey(profile, inactive); k != "" {
			return Choice{Devices: []*mssp.Device{inactive}, Activate: k}, nil
		}
	}
	return Choice{}, mssp.Noted(signum.NewFault(signum.UnsupportedProfile), "no device can do what %.100q and the services ask for: %s", a.Profile, states(s))
}

// hasActive reports whether the subscriber has an active device that the party
// may know about. A party that cannot reach Apps must not learn that there is
// one.
func hasActive(p *mssp.Party, s *mssp.Subscriber) bool {
	for _, m := range mssp.Methods {
		if device(s, m.Method, signum.DeviceActive) != nil && (!m.Discreet || p.MayUse(m.Method)) {
			return true
		}
	}
	return false
}

// errNothingActive returns 404 if activating a device would help, otherwise
// 105.
func errNothingActive(profile *mssp.ProfileSpec, s *mssp.Subscriber) error {
	for _, m := range mssp.Methods {
		if m.Activated && profile.Admits(m.Method) && device(s, m.Method, signum.DeviceRegistered) != nil {
			return mssp.Noted(signum.NewFault(signum.NoKeyFound), "the party has no auto activation, and nothing is active that it may know of: %s", states(s))
		}
	}
	return mssp.Noted(signum.NewFault(signum.UnknownClient), "nothing is active that the party may know of: %s", states(s))
}

// approvals reports whether every method of the profile can show a transaction
// approval. If one of them cannot, the party must name another profile.
func approvals(p *mssp.ProfileSpec) bool {
	return !slices.ContainsFunc(p.Methods, func(m signum.Method) bool { return !mssp.MethodOf(m).Approvals })
}

// serves reports whether the device can do what is asked for besides signing.
func (a *Ask) serves(p *mssp.ProfileSpec, d *mssp.Device) bool {
	m := mssp.MethodOf(d.Method)
	return (!a.Interactive || m.Interactive) && (!p.Located || m.Locates || atHome(d, a.Home))
}

// ActivatableSIM finds the device that a request of this party would activate:
// a registered device, provided the subscriber has no active device of the same
// method. A device that has ended is not activated, because anybody who holds it
// could set a PIN and sign as its owner. It returns nil if there is no such device
// or the party does not have auto activation.
func ActivatableSIM(p *mssp.Party, s *mssp.Subscriber) *mssp.Device {
	if !p.AutoActivation {
		return nil
	}
	for _, m := range mssp.Methods {
		if !m.Activated || device(s, m.Method, signum.DeviceActive) != nil {
			continue
		}
		if d := device(s, m.Method, signum.DeviceRegistered); d != nil {
			return d
		}
	}
	return nil
}

// newKey returns the kind of key that a device will get when it is activated
// for a profile. It is empty if the card cannot make that kind of key.
func newKey(p *mssp.ProfileSpec, d *mssp.Device) signum.KeyType {
	k := cmp.Or(p.KeyType, d.KeyType, signum.EC)
	if d.KeyType != "" && d.KeyType != k {
		return ""
	}
	return k
}

// atHome reports whether the SIM belongs to the network that is able to locate
// it.
func atHome(d *mssp.Device, home string) bool {
	return home != "" && d.Network.MCC+d.Network.MNC == home
}

// GeoErrorOf says why a device cannot be located, as far as that is known
// before the phone is asked. Zero means that it can be asked.
func GeoErrorOf(p *mssp.Party, d *mssp.Device, home string) signum.GeoError {
	switch {
	case !p.Subscribed(signum.ServiceGeofencing):
		return signum.GeoNotAuthorised
	case !mssp.MethodOf(d.Method).Locates && !atHome(d, home):
		return signum.GeoForeignSIM
	}
	return 0
}

func device(s *mssp.Subscriber, m signum.Method, states ...signum.DeviceState) *mssp.Device {
	for i := range s.Devices {
		if d := &s.Devices[i]; d.Method == m && (len(states) == 0 || slices.Contains(states, d.State)) {
			return d
		}
	}
	return nil
}

// devices returns the devices of a method in a state: the first, unless the method
// allows several.
func devices(s *mssp.Subscriber, m signum.Method, state signum.DeviceState) []*mssp.Device {
	var list []*mssp.Device
	for i := range s.Devices {
		if d := &s.Devices[i]; d.Method == m && d.State == state {
			list = append(list, d)
			if !mssp.MethodOf(m).Several {
				break
			}
		}
	}
	return list
}

// certified checks the certificate. An active device without a certificate has
// no key that we know of (404); an expired certificate is 422.
func certified(d *mssp.Device, now time.Time) (revoked bool, err error) {
	c := d.Certificate
	switch {
	case c == nil || c.State == mssp.CertificateIntended:
		return false, mssp.Noted(signum.NewFault(signum.NoKeyFound), "%s has no certificate: issuing it did not end", named(d))
	case c.State != mssp.CertificateGood: // revoked, or a state that a newer version knows
		return true, nil
	case !now.Before(c.NotAfter):
		return false, mssp.Noted(signum.NewFault(signum.NoCertFound), "the certificate of %s expired at %s", named(d), signum.FormatInstant(c.NotAfter))
	}
	return false, nil
}
