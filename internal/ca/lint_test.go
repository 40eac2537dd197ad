package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"
	"time"
)

// broken has drafts that violate a lint, by its name: some for each lint.
var broken = map[string][]mutation{
	// Values that crypto/x509 never writes are changed after parsing.
	"version_3":   {{draft: func(c *x509.Certificate) { c.Version = 1 }}},
	"issuer_name": {{draft: func(c *x509.Certificate) { c.RawIssuer = c.RawSubject }}},
	"serial_number_random": {
		{template: func(c *x509.Certificate) { c.SerialNumber = big.NewInt(1) }},
		{template: func(c *x509.Certificate) { c.SerialNumber.Lsh(c.SerialNumber, 32) }},
		{draft: func(c *x509.Certificate) { c.SerialNumber = big.NewInt(-1) }},
	},
	"signature_algorithm": {{template: func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA512 }}},
	"validity": {
		{template: func(c *x509.Certificate) { c.NotAfter = c.NotAfter.Add(time.Second) }},
		{template: func(c *x509.Certificate) { c.NotBefore = c.NotBefore.AddDate(0, -1, 0) }},
		{template: func(c *x509.Certificate) { c.NotAfter = c.NotBefore }},
		{template: func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = c.NotBefore.AddDate(9, 0, 0), c.NotBefore.AddDate(11, 0, 0)
		}},
	},
	"subject_name": {
		{template: subject(nil)},
		{template: subject(rdns{{oidSerialNumber, "MIDCHE0123456789"}})},
		{template: subject(rdns{{oidCommonName, "MIDCHE0123456789:PN"}, {oidPseudonym, "MIDCHE0123456789"}})},
		{template: subject(rdns{{oidCommonName, "MIDCHE0123456789:PN"}, {oidSerialNumber, "MIDCHE0123456789"}, {oidPseudonym, "MIDCHE0123456789"}})},
		{template: subject(rdns{{oidSerialNumber, "MIDCHE0123456789"}, {oidCommonName, "MIDCHE0123456789"}, {oidPseudonym, "MIDCHE0123456789"}})},
		{template: subject(rdns{{oidSerialNumber, "MIDCHE0123456789"}, {oidCommonName, "MIDCHE0123456789:PN"}, {oidPseudonym, "MIDCHE9876543210"}})},
		{template: subject(rdns{{oidSerialNumber, "0123456789"}, {oidCommonName, "0123456789:PN"}, {oidPseudonym, "0123456789"}})},
		{template: subject(rdns{{oidSerialNumber, "MIDCHE0123456789"}, {oidCommonName, "MIDCHE0123456789:PN"}, {oidPseudonym, "MIDCHE0123456789"}, {oidCommonName, "Alice"}})},
		{draft: func(c *x509.Certificate) { c.RawSubject = nil }},
	},
	"public_key": {{key: must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)).Public()}},
	"extensions_known_once": {
		{template: func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 999, 2}, Value: []byte{5, 0}}}
		}},
		{template: func(c *x509.Certificate) { c.Policies = nil }},
		{draft: func(c *x509.Certificate) { c.Extensions = append(c.Extensions, c.Extensions[0]) }},
	},
	"only_key_usage_critical": {
		{template: func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: oidExtKeyUsage, Critical: true, Value: []byte{0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 2}}}
		}},
		{template: func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: oidKeyUsage, Value: []byte{3, 2, 7, 0x80}}}
		}},
	},
	"key_usage_digital_signature": {
		{template: func(c *x509.Certificate) { c.KeyUsage = 0 }},
		{template: func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageContentCommitment }},
		{template: func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign }},
	},
	"extended_key_usage_client_auth": {
		{template: func(c *x509.Certificate) { c.ExtKeyUsage = nil }},
		{template: func(c *x509.Certificate) { c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth) }},
		{template: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }},
		{template: func(c *x509.Certificate) { c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{2, 999, 3}} }},
	},
	"no_basic_constraints": {
		{template: func(c *x509.Certificate) { c.BasicConstraintsValid = true }},
		{template: func(c *x509.Certificate) { c.BasicConstraintsValid, c.IsCA = true, true }},
	},
	"no_subject_alternative_name": {{template: func(c *x509.Certificate) { c.EmailAddresses = []string{"alice@example.org"} }}},
	"subject_key_identifier": {
		{template: func(c *x509.Certificate) { c.SubjectKeyId = nil }},
		{template: func(c *x509.Certificate) { c.SubjectKeyId = make([]byte, 20) }},
	},
	"authority_key_identifier": {{draft: func(c *x509.Certificate) { c.AuthorityKeyId = c.SubjectKeyId }}},
	"ocsp_url": {
		{template: func(c *x509.Certificate) { c.OCSPServer = nil }},
		{template: func(c *x509.Certificate) { c.OCSPServer = []string{"https://pki.example.org/ocsp"} }},
	},
	"ca_issuers_url": {
		{template: func(c *x509.Certificate) { c.IssuingCertificateURL = nil }},
		{template: func(c *x509.Certificate) { c.IssuingCertificateURL = append(c.IssuingCertificateURL, "ldap://x") }},
	},
	"crl_url": {
		{template: func(c *x509.Certificate) { c.CRLDistributionPoints = nil }},
		{template: func(c *x509.Certificate) { c.CRLDistributionPoints = append(c.CRLDistributionPoints, "ldap://x") }},
	},
	"certificate_policy": {
		{template: func(c *x509.Certificate) { c.Policies = nil }},
		{template: func(c *x509.Certificate) { c.Policies = []x509.OID{anyPolicy} }},
		{template: func(c *x509.Certificate) { c.Policies = append(c.Policies, anyPolicy) }},
	},
}

// mutation makes a draft invalid: in its template, after parsing, or by its key.
type mutation struct {
	template, draft func(*x509.Certificate)
	key             crypto.PublicKey
}

type rdns []struct {
	t asn1.ObjectIdentifier
	v string
}

func subject(name rdns) func(*x509.Certificate) {
	seq := pkix.RDNSequence{}
	for _, r := range name {
		seq = append(seq, pkix.RelativeDistinguishedNameSET{{Type: r.t, Value: r.v}})
	}
	return func(c *x509.Certificate) { c.RawSubject = must(asn1.Marshal(seq)) }
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestLints(t *testing.T) {
	i, _, _ := newIssuer(t, authority(t, ECDSA))
	drafted := func(t *testing.T, m mutation) *x509.Certificate {
		t.Helper()
		key := deviceKey(t, "EC").Public()
		if m.key != nil {
			key = m.key
		}
		template, err := i.template("MIDCHE0123456789", key)
		if err != nil {
			t.Fatal(err)
		}
		if m.template != nil {
			m.template(template)
		}
		draft, err := i.draft(template, key)
		if err != nil {
			t.Fatal(err)
		}
		if m.draft != nil {
			m.draft(draft)
		}
		return draft
	}
	if err := i.lint(drafted(t, mutation{})); err != nil {
		t.Fatalf("a good draft: %v", err)
	}
	names := make(map[string]bool)
	for _, l := range lints {
		if l.clause == "" || names[l.name] || len(broken[l.name]) == 0 {
			t.Errorf("lint %q has no clause, or no draft that breaks it, or is there twice", l.name)
		}
		names[l.name] = true
	}
	for name, list := range broken {
		for n, m := range list {
			err := i.lint(drafted(t, m))
			if !broke(err, name) {
				t.Errorf("%s, draft %d: %v", name, n, err)
			}
		}
	}
}

// broke reports whether the joined errors contain the lint.
func broke(err error, name string) bool {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return false
	}
	for _, e := range joined.Unwrap() {
		var le *LintError
		if errors.As(e, &le) && le.Lint == name {
			return true
		}
	}
	return false
}
