package partydoc

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// Rights are what a party may do if its document does not say so.
type Rights struct {
	Profiles, Services                             []string
	AutoActivation, TestNumbers, EncryptedReceipts bool
}

// AllRights returns every right.
func AllRights() Rights {
	return Rights{
		Profiles: signum.SignatureProfiles, Services: services(),
		AutoActivation: true, TestNumbers: true, EncryptedReceipts: true,
	}
}

// ProfilesOr returns what the party may ask for besides AuthProfile1, which every party
// has.
func (p *Party) ProfilesOr(absent []string) []string {
	if p.Profiles == nil {
		return absent
	}
	return slices.DeleteFunc(slices.Clone(p.Profiles), func(uri string) bool { return uri == signum.ProfileAuth1 })
}

// ServicesOr does the same for additional services and userLang.
func (p *Party) ServicesOr(absent []string) []string {
	if p.Services == nil {
		return absent
	}
	return slices.DeleteFunc(slices.Clone(p.Services), func(uri string) bool { return uri == signum.ServiceUserLang })
}

// Or returns the value of a member that may be absent.
func Or[T any](member *T, absent T) T {
	if member == nil {
		return absent
	}
	return *member
}

// Stored returns the party as the service stores it, with the pins of Pins but none of
// Certificates. Check must have accepted the document; Password is ignored.
func (p *Party) Stored(absent Rights) *mssp.Party {
	m := &mssp.Party{
		ID: p.APID, Name: p.Name, PasswordHash: p.PasswordHash, DTBDPrefix: p.Prefix,
		Profiles: p.ProfilesOr(absent.Profiles), AuthProfile1: p.AuthProfile1, Services: p.ServicesOr(absent.Services), DefaultLang: p.DefaultLang,
		AutoActivation: Or(p.AutoActivation, absent.AutoActivation), TestNumbers: Or(p.TestNumbers, absent.TestNumbers),
		EncryptedReceipts:  Or(p.EncryptedReceipts, absent.EncryptedReceipts),
		UnprefixedReceipts: p.UnprefixedReceipts, SubjectNameBase64: p.SubjectNameBase64,
	}
	if g := p.Geofence; g != nil {
		m.Geofence = mssp.PartyGeofence{Enabled: g.Enabled, Verbose: g.Verbose, Geofence: mssp.Geofence{
			CountryWhitelist: g.CountryWhitelist, CountryBlacklist: g.CountryBlacklist, MinDeviceConfidence: g.MinDeviceConfidence,
			MinLocationConfidence: g.MinLocationConfidence, MaxTimestampMinutes: g.MaxTimestampMinutes, MaxAccuracyMeters: g.MaxAccuracyMeters,
		}}
	}
	if l := p.Limits; l != nil {
		m.Limits = mssp.PartyLimits{
			MaxOpen: l.MaxOpen, Requests: mssp.Rate(l.Requests), Statuses: mssp.Rate(l.Statuses), Profiles: mssp.Rate(l.Profiles),
			Unknown: mssp.Rate(l.Unknown), PerNumber: mssp.Rate(l.PerNumber), OTP: mssp.Rate(l.OTP), OTPNumber: mssp.Rate(l.OTPNumber),
			OTPPrefixes: l.OTPPrefixes, Networks: l.Networks,
		}
	}
	for _, text := range p.Pins {
		if pin, err := ParsePin(text); err == nil {
			m.Pins = append(m.Pins, pin)
		}
	}
	return m
}

// ParsePin reads the SHA-256 of a certificate in hex.
func ParsePin(text string) (pin mssp.Pin, err error) {
	data, err := hex.DecodeString(text)
	if err != nil || len(data) != len(pin) {
		return pin, fmt.Errorf("pins: %q: must be the SHA-256 of a certificate (DER), %d hexadecimal digits", text, 2*len(pin))
	}
	return mssp.Pin(data), nil
}

// Of returns the document of a stored party. Its certificates are known by their pins
// only.
func Of(m *mssp.Party) Party {
	p := Party{
		APID: m.ID, Name: m.Name, PasswordHash: m.PasswordHash, Prefix: m.DTBDPrefix,
		Profiles: list(m.Profiles), AuthProfile1: m.AuthProfile1, Services: list(m.Services), DefaultLang: m.DefaultLang,
		AutoActivation: &m.AutoActivation, TestNumbers: &m.TestNumbers, EncryptedReceipts: &m.EncryptedReceipts,
		UnprefixedReceipts: m.UnprefixedReceipts, SubjectNameBase64: m.SubjectNameBase64,
	}
	if g := m.Geofence; g.Enabled || g.Verbose || len(g.CountryWhitelist)+len(g.CountryBlacklist) > 0 ||
		cmp.Or(g.MinDeviceConfidence, g.MinLocationConfidence) != 0 || g.MaxTimestampMinutes != nil || g.MaxAccuracyMeters != nil {
		p.Geofence = &Geofence{
			Enabled: g.Enabled, Verbose: g.Verbose, CountryWhitelist: g.CountryWhitelist, CountryBlacklist: g.CountryBlacklist,
			MinDeviceConfidence: g.MinDeviceConfidence, MinLocationConfidence: g.MinLocationConfidence,
			MaxTimestampMinutes: g.MaxTimestampMinutes, MaxAccuracyMeters: g.MaxAccuracyMeters,
		}
	}
	l := Limits{
		MaxOpen: m.Limits.MaxOpen, Requests: Rate(m.Limits.Requests), Statuses: Rate(m.Limits.Statuses), Profiles: Rate(m.Limits.Profiles),
		Unknown: Rate(m.Limits.Unknown), PerNumber: Rate(m.Limits.PerNumber), OTP: Rate(m.Limits.OTP), OTPNumber: Rate(m.Limits.OTPNumber),
		OTPPrefixes: m.Limits.OTPPrefixes, Networks: m.Limits.Networks,
	}
	if l.limits() {
		p.Limits = &l
	}
	for _, pin := range m.Pins {
		p.Pins = append(p.Pins, pin.String())
	}
	return p
}

// limits reports whether anything is limited.
func (l *Limits) limits() bool {
	return l.MaxOpen != 0 || len(l.OTPPrefixes)+len(l.Networks) > 0 ||
		cmp.Or(l.Requests, l.Statuses, l.Profiles, l.Unknown, l.PerNumber, l.OTP, l.OTPNumber) != (Rate{})
}

// list is never nil: an absent list has another meaning than an empty one.
func list(of []string) []string { return append([]string{}, of...) }
