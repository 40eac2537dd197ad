package policy

import (
	"cmp"
	"strings"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// Capability is what a party may know of a subscriber.
type Capability struct {
	Profiles       []string       // that a signature request may name now
	Devices        []*mssp.Device // in the order of mssp.Methods
	AutoActivation bool           // a signature request would activate the SIM
}

// Capabilities answers a profile query. Refusals are 105, 403, 404, 422: no
// device that the party may use is able to sign. A blocked PIN is not a
// refusal: if it were, asking for the state of the PIN would be useless.
func Capabilities(p *mssp.Party, s *mssp.Subscriber, home string, now time.Time) (Capability, error) {
	var c Capability
	a := Ask{Party: p, Subscriber: s, Profile: signum.ProfileAnyLoA4, Home: home, Now: now}
	if _, err := meant(&a); err != nil {
		return c, err
	}
	var refusal error
	for _, uri := range append([]string{signum.ProfileAuth1}, signum.SignatureProfiles...) {
		a.Profile = p.Resolve(uri)
		if authorised(p, uri, a.Profile) != nil {
			continue
		}
		if err := capable(&a); err == nil {
			c.Profiles = append(c.Profiles, uri)
		} else if refusal == nil || isFault(refusal, signum.UnsupportedProfile) {
			refusal = err
		}
	}
	if !signs(c.Profiles) && refusal != nil && !isFault(refusal, signum.UnsupportedProfile) {
		return c, refusal
	}
	for _, m := range mssp.Methods {
		if !m.Discreet || p.MayUse(m.Method) {
			c.Devices = append(c.Devices, listed(s, m)...)
		}
	}
	c.AutoActivation = ActivatableSIM(p, s) != nil
	return c, nil
}

// listed returns the devices of a method that a profile query shows: all of
// them where a subscriber may have several, otherwise the active one, or
// failing that the first.
func listed(s *mssp.Subscriber, m mssp.MethodSpec) []*mssp.Device {
	var list []*mssp.Device
	for i := range s.Devices {
		if d := &s.Devices[i]; d.Method == m.Method {
			list = append(list, d)
		}
	}
	if m.Several || len(list) < 2 {
		return list
	}
	return []*mssp.Device{cmp.Or(device(s, m.Method, signum.DeviceActive), list[0])}
}

// capable reports whether a request with the profile would reach a phone that
// can sign.
func capable(a *Ask) error {
	if signum.IsOTP(a.Profile) {
		return nil
	}
	c, err := meant(a)
	if err != nil || c.Activate != "" {
		return err
	}
	var refusal error
	for _, d := range c.Devices {
		revoked, err := certified(d, a.Now)
		if revoked {
			// Activating the SIM again helps.
			err = mssp.Noted(signum.NewFault(signum.NoKeyFound), "the certificate of %s is revoked", named(d))
		}
		if err == nil {
			return nil
		}
		refusal = cmp.Or(refusal, err)
	}
	return refusal
}

// signs reports whether one of the profiles is more than a text message.
func signs(profiles []string) bool {
	for _, uri := range profiles {
		if !signum.IsOTP(uri) {
			return true
		}
	}
	return false
}

// Params says what a profile query asks for, by its words or by its older
// getters.
type Params struct {
	Devices, Certs, PINStatus, CardDetails, RCStatus, AAStatus bool

	GetCertificates, GetAutoActivation, GetRecoveryCodeCreated, GetServerSideSignature bool
}

// Any reports whether an extension is asked for.
func (p Params) Any() bool { return p != Params{} }

func params(r *signum.ProfileRequest) (Params, error) {
	var p Params
	for _, word := range strings.FieldsFunc(r.Params, func(c rune) bool { return c == ',' || c <= ' ' }) {
		switch strings.ToLower(word) {
		case signum.ParamSSCDs, signum.ParamState:
			p.Devices = true
		case signum.ParamCerts:
			p.Devices, p.Certs = true, true
		case signum.ParamPINStatus:
			p.Devices, p.PINStatus = true, true
		case signum.ParamCardDetails:
			p.Devices, p.CardDetails = true, true
		case signum.ParamRCStatus:
			p.RCStatus = true
		case signum.ParamAAStatus:
			p.AAStatus = true
		} // a word that other versions define asks for nothing we have
	}
	for _, g := range []struct {
		name, sent string
		to         *bool
	}{
		{"GetCertificates", r.Getters.Certificates, &p.GetCertificates},
		{"GetAutoActivation", r.Getters.AutoActivation, &p.GetAutoActivation},
		{"GetRecoveryCodeCreated", r.Getters.RecoveryCodeCreated, &p.GetRecoveryCodeCreated},
		{"GetServerSideSignature", r.Getters.ServerSideSignature, &p.GetServerSideSignature},
	} {
		v, ok := boolean(g.sent, false)
		if !ok {
			return p, wrong("%s is not a boolean", g.name)
		}
		*g.to = v
	}
	return p, nil
}

// boolean reads an xs:boolean.
func boolean(sent string, absent bool) (v, ok bool) {
	switch strings.ToLower(sent) {
	case "":
		return absent, true
	case "true", "1":
		return true, true
	case "false", "0":
		return false, true
	}
	return false, false
}
