package engine

import (
	"context"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/policy"
)

// Profile serves MSS_ProfileQuery. It tells what the party may ask of the user
// now; the user is not asked.
func (e *Engine) Profile(ctx context.Context, c *mssp.Caller, r *signum.ProfileRequest) (*signum.ProfileResponse, error) {
	ctx, cancel := e.soon(ctx)
	defer cancel()
	p, err := e.enter(ctx, c, r.Operation(), &r.Header)
	if err != nil {
		return nil, err
	}
	defer e.leave(p)
	now := e.now()
	msisdn, params, err := policy.CheckProfile(r, now, e.cfg.Skew)
	if err != nil {
		return nil, err
	}
	if err := policy.TestFault(p, msisdn); err != nil {
		return nil, err
	}
	s, err := e.subscriber(ctx, p, msisdn)
	if err != nil {
		return nil, err
	}
	can, err := policy.Capabilities(p, s, e.cfg.HomeNetwork, now)
	if err != nil {
		if illegal := policy.LegalMSISDN(msisdn); illegal != nil {
			return nil, illegal
		}
		return nil, e.limits.told(p, err, now)
	}
	resp := &signum.ProfileResponse{Header: e.responseHeader(&r.Header), Status: signum.RequestOK, Profiles: can.Profiles}
	if resp.Version = r.Version; r.Version == (signum.Version{}) {
		resp.Version = signum.Version{Major: "2", Minor: "0"}
	}
	if params.Any() {
		if resp.Extension, err = e.extension(p, s, &can, params, now); err != nil {
			return nil, err
		}
	}
	return resp, nil
}

func (e *Engine) extension(p *mssp.Party, s *mssp.Subscriber, can *policy.Capability, ask policy.Params, now time.Time) (*signum.ProfileExtension, error) {
	x := new(signum.ProfileExtension)
	no := false
	if ask.GetServerSideSignature {
		x.ServerSideSignature = &no
	}
	if ask.GetAutoActivation {
		x.AutoActivation = &can.AutoActivation
	}
	if ask.GetRecoveryCodeCreated {
		x.RecoveryCodeCreated = &s.RecoveryCodeCreated
	}
	if ask.RCStatus || ask.AAStatus {
		x.User = new(signum.ProfileUser)
		if ask.RCStatus {
			x.User.RecoveryCodeCreated = &s.RecoveryCodeCreated
		}
		if ask.AAStatus {
			x.User.AutoActivation = &can.AutoActivation
		}
	}
	if ask.Devices {
		x.SSCDs = new(signum.SSCDs)
	}
	for _, d := range can.Devices {
		certs, err := e.certificates(p, d, now)
		if err != nil {
			return nil, err
		}
		if ask.GetCertificates {
			x.Certificates = append(x.Certificates, certs...)
		}
		if ask.Devices {
			list(x.SSCDs, d.Method, sscd(d, certs, ask))
		}
	}
	return x, nil
}

// list adds a device at the place that the interface has for its method. The
// interface has no place for other methods, so their devices are left out.
func list(s *signum.SSCDs, m signum.Method, d signum.SSCD) {
	switch m {
	case signum.SIM:
		s.SIM = &d
	case signum.App:
		s.Apps = append(s.Apps, d)
	}
}

func sscd(d *mssp.Device, certs []signum.SSCDCertificate, ask policy.Params) signum.SSCD {
	out := signum.SSCD{State: d.State}
	if ask.Certs {
		out.Certificates = certs
	}
	if ask.PINStatus {
		out.PINBlocked = &d.PINBlocked
	}
	if ask.CardDetails && mssp.MethodOf(d.Method).Card {
		n := d.Network.OrUnknown()
		out.Card = &n
	}
	return out
}

// certificates returns the device's certificate with the chain of the CA that
// issued it, and the names of the subjects as the party reads them.
func (e *Engine) certificates(p *mssp.Party, d *mssp.Device, now time.Time) ([]signum.SSCDCertificate, error) {
	c := d.Certificate
	if c == nil || len(c.DER) == 0 {
		return nil, nil
	}
	out := signum.SSCDCertificate{Algorithm: d.KeyType, State: signum.DeviceInactive}
	if d.State == signum.DeviceActive && c.State == mssp.CertificateGood && now.Before(c.NotAfter) {
		out.State = signum.DeviceActive
	}
	chain, err := e.cfg.Chains.Chain(c.DER)
	if err != nil {
		return nil, fmt.Errorf("chain of certificate %s: %w", c.Serial, err)
	}
	for _, der := range append([][]byte{c.DER}, chain...) {
		subject, err := subjectOf(der)
		if err != nil {
			return nil, fmt.Errorf("certificate %s: %w", c.Serial, err)
		}
		if p.SubjectNameBase64 {
			subject = base64.StdEncoding.EncodeToString([]byte(subject))
		}
		out.Chain = append(out.Chain, signum.ChainCertificate{DER: der, Subject: subject})
	}
	return []signum.SSCDCertificate{out}, nil
}

// attributeNames are the short names of the attributes that occur in our
// certificates (RFC 4519, X.520).
var attributeNames = map[string]string{
	"2.5.4.3": "CN", "2.5.4.5": "serialNumber", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST",
	"2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.65": "pseudonym", "2.5.4.97": "organizationIdentifier",
}

// subjectOf writes the subject of a certificate in the form of RFC 4514: last
// attribute first. It also knows the names of attributes that crypto/x509/pkix
// writes as numbers.
func subjectOf(der []byte) (string, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return "", err
	}
	names := c.Subject.Names
	parts := make([]string, 0, len(names))
	for i := len(names) - 1; i >= 0; i-- {
		parts = append(parts, attributeName(names[i].Type)+"="+escapeValue(fmt.Sprint(names[i].Value)))
	}
	return strings.Join(parts, ","), nil
}

func attributeName(oid asn1.ObjectIdentifier) string {
	if n := attributeNames[oid.String()]; n != "" {
		return n
	}
	return oid.String()
}

// escapeValue escapes a value as in RFC 4514, clause 2.4.
func escapeValue(v string) string {
	var b strings.Builder
	for i, r := range v {
		if strings.ContainsRune(`,+"\<>;`, r) || i == 0 && (r == '#' || r == ' ') || i == len(v)-1 && r == ' ' {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
