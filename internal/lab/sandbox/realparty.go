package sandbox

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"slices"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/lab/scenario"
	"github.com/signum-mssp/signum/internal/mssp"
)

// allServices are the additional services of a party that names none.
var allServices = []string{
	signum.ServiceValidate, signum.ServiceGeofencing, signum.ServiceApp2App, signum.ServiceSubscriberInfo, signum.ServiceVerification,
}

// profilesOf returns what the party may ask for besides AuthProfile1, which every party
// has.
func profilesOf(p *scenario.Party) []string {
	if p.Profiles == nil {
		return signum.SignatureProfiles
	}
	return slices.DeleteFunc(slices.Clone(p.Profiles), func(uri string) bool { return uri == signum.ProfileAuth1 })
}

// servicesOf does the same for additional services and userLang.
func servicesOf(p *scenario.Party) []string {
	if p.Services == nil {
		return allServices
	}
	return slices.DeleteFunc(slices.Clone(p.Services), func(uri string) bool { return uri == signum.ServiceUserLang })
}

// or returns the value of a member that may be absent.
func or[T any](p *T, absent T) T {
	if p == nil {
		return absent
	}
	return *p
}

// realParty is the party as the service stores it. A certificate of its own that cannot
// identify it any more is left out, with a warning.
func (b *Sandbox) realParty(p *scenario.Party) (*mssp.Party, error) {
	m := &mssp.Party{
		ID: p.APID, Name: p.Name, Logo: b.parties.logo, PasswordHash: p.PasswordHash, DTBDPrefix: p.Prefix,
		Profiles: profilesOf(p), AuthProfile1: p.AuthProfile1, Services: servicesOf(p), DefaultLang: p.DefaultLang,
		AutoActivation: or(p.AutoActivation, true), TestNumbers: or(p.TestNumbers, true), EncryptedReceipts: or(p.EncryptedReceipts, true),
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
	if or(p.SharedCertificates, true) {
		m.Pins = b.files.pins()
	}
	for _, text := range p.Certificates {
		c, err := scenario.ParseCertificate(text, time.Now())
		if err != nil {
			b.cfg.Logger.Warn("a certificate of the party does not count", "ap_id", p.APID, "err", err)
			continue
		}
		m.Pins = append(m.Pins, mssp.PinOf(c.Raw))
	}
	return m, nil
}

// describe says what clients may know about a party.
func describe(p *scenario.Party) Party {
	d := Party{
		APID: p.APID, Name: p.Name, DTBDPrefix: p.Prefix, UnprefixedReceipts: p.UnprefixedReceipts, DefaultLang: p.DefaultLang,
		SubjectNameBase64: p.SubjectNameBase64, Password: p.PasswordHash != "",
		Profiles: slices.Concat([]string{signum.ProfileAuth1}, profilesOf(p)), Services: slices.Concat([]string{signum.ServiceUserLang}, servicesOf(p)),
	}
	if or(p.SharedCertificates, true) {
		for _, c := range clientCerts {
			d.Certificates = append(d.Certificates, client.SandboxCertificate{KeyType: c.keyType, Cert: c.certFile, Key: c.keyFile, P12: c.p12File})
		}
	}
	for _, text := range p.Certificates {
		c, err := scenario.ParseCertificate(text, time.Now())
		if err != nil {
			continue // realParty warned
		}
		fingerprint := sha256.Sum256(c.Raw)
		d.Certificates = append(d.Certificates, client.SandboxCertificate{KeyType: keyTypeOf(c), SHA256: hex.EncodeToString(fingerprint[:])})
	}
	return d
}

func keyTypeOf(c *x509.Certificate) signum.KeyType {
	if _, ok := c.PublicKey.(*rsa.PublicKey); ok {
		return signum.RSA
	}
	return signum.EC
}
