package ca

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
)

// A lint is one rule for a subscriber's certificate.
type lint struct {
	name   string
	clause string // the source of the rule; RFC 5280 if no other document is named
	check  func(i *Issuer, c *x509.Certificate) error
}

// LintError means that a certificate was not issued because its draft violates a
// rule: a bug in this package, not a mistake of the caller.
type LintError struct {
	Lint   string
	Clause string
	Cause  error
}

func (e *LintError) Error() string {
	return fmt.Sprintf("ca: lint %s (%s): %v", e.Lint, e.Clause, e.Cause)
}

func (e *LintError) Unwrap() error { return e.Cause }

// lint applies all lints to a draft. The joined error has a *LintError for each
// violation.
func (i *Issuer) lint(draft *x509.Certificate) error {
	var errs []error
	for _, l := range lints {
		if err := l.check(i, draft); err != nil {
			errs = append(errs, &LintError{l.name, l.clause, err})
		}
	}
	return errors.Join(errs...)
}

// A subscriber's certificate has each of the knownExtensions once, and no others.
var (
	oidSKI          = asn1.ObjectIdentifier{2, 5, 29, 14}
	oidKeyUsage     = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidSAN          = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidBasic        = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidCRLPoints    = asn1.ObjectIdentifier{2, 5, 29, 31}
	oidPolicies     = asn1.ObjectIdentifier{2, 5, 29, 32}
	oidAKI          = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidExtKeyUsage  = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidAuthInfo     = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}
	knownExtensions = []asn1.ObjectIdentifier{
		oidSKI, oidKeyUsage, oidCRLPoints, oidPolicies, oidAKI, oidExtKeyUsage, oidAuthInfo,
	}
)

var lints = []lint{
	{"version_3", "4.1.2.1", func(_ *Issuer, c *x509.Certificate) error {
		return want("version", c.Version, 3)
	}},
	{"serial_number_random", "4.1.2.2", func(_ *Issuer, c *x509.Certificate) error {
		// A number of newSerialNumber always has this length.
		return want("bits of the serial number", c.SerialNumber.BitLen(), 127)
	}},
	{"signature_algorithm", "4.1.1.2; RFC 4055, clause 3.1", func(i *Issuer, c *x509.Certificate) error {
		return want("signature algorithm", c.SignatureAlgorithm, i.scheme.algorithm)
	}},
	{"issuer_name", "4.1.2.4", func(i *Issuer, c *x509.Certificate) error {
		return require(bytes.Equal(c.RawIssuer, i.issuing.RawSubject), "issuer is not the issuing CA's subject, byte for byte")
	}},
	{"validity", "4.1.2.5; 6.1.3 (a)(2)", lintValidity},
	{"subject_name", "RFC 3739, clause 3.1.2", lintSubject},
	{"public_key", "RFC 5480, clause 2.1.1; RFC 3279, clause 2.3.1", func(_ *Issuer, c *x509.Certificate) error {
		return checkKey(c.PublicKey)
	}},
	{"extensions_known_once", "4.2", lintExtensions},
	{"only_key_usage_critical", "4.2.1.3", func(_ *Issuer, c *x509.Certificate) error {
		for _, e := range c.Extensions {
			if e.Critical != e.Id.Equal(oidKeyUsage) {
				return fmt.Errorf("extension %v has critical = %t", e.Id, e.Critical)
			}
		}
		return nil
	}},
	{"key_usage_digital_signature", "4.2.1.3", func(_ *Issuer, c *x509.Certificate) error {
		return want("key usage", c.KeyUsage, x509.KeyUsageDigitalSignature)
	}},
	{"extended_key_usage_client_auth", "4.2.1.12", func(_ *Issuer, c *x509.Certificate) error {
		ok := slices.Equal(c.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}) && len(c.UnknownExtKeyUsage) == 0
		return require(ok, "not exactly clientAuth")
	}},
	{"no_basic_constraints", "4.2.1.9", func(_ *Issuer, c *x509.Certificate) error {
		return require(!c.BasicConstraintsValid && !has(c, oidBasic), "there are basic constraints")
	}},
	{"no_subject_alternative_name", "4.2.1.6", func(_ *Issuer, c *x509.Certificate) error {
		return require(!has(c, oidSAN), "a pseudonymous certificate contains another name")
	}},
	{"subject_key_identifier", "4.2.1.2; RFC 7093, clause 2", func(_ *Issuer, c *x509.Certificate) error {
		bits, err := keyBits(c.RawSubjectPublicKeyInfo)
		if err != nil {
			return err
		}
		h := sha256.Sum256(bits)
		return require(bytes.Equal(c.SubjectKeyId, h[:20]), "is not derived from the key")
	}},
	{"authority_key_identifier", "4.2.1.1", func(i *Issuer, c *x509.Certificate) error {
		return require(bytes.Equal(c.AuthorityKeyId, i.issuing.SubjectKeyId), "is not that of the issuing CA")
	}},
	{"ocsp_url", "4.2.2.1", func(i *Issuer, c *x509.Certificate) error {
		return onlyURL(c.OCSPServer, i.url+pathOCSP)
	}},
	{"ca_issuers_url", "4.2.2.1", func(i *Issuer, c *x509.Certificate) error {
		return onlyURL(c.IssuingCertificateURL, i.url+certificatePath(i.issuing))
	}},
	{"crl_url", "4.2.1.13", func(i *Issuer, c *x509.Certificate) error {
		return onlyURL(c.CRLDistributionPoints, i.url+crlPath(i.issuing))
	}},
	{"certificate_policy", "4.2.1.4", func(i *Issuer, c *x509.Certificate) error {
		return require(len(c.Policies) == 1 && c.Policies[0].Equal(i.policy), "not exactly the configured policy")
	}},
}

func lintValidity(i *Issuer, c *x509.Certificate) error {
	switch {
	case !c.NotBefore.Before(c.NotAfter):
		return errors.New("ends before it begins")
	case c.NotBefore.Before(i.issuing.NotBefore) || c.NotAfter.After(i.issuing.NotAfter):
		return errors.New("is not within that of the issuing CA")
	case c.NotAfter.After(c.NotBefore.Add(backdate).AddDate(subscriberYears, 0, 0)):
		return fmt.Errorf("longer than %d years", subscriberYears)
	}
	return nil
}

// lintSubject requires exactly serialNumber, commonName and pseudonym of one account
// serial, each in an RDN of its own.
func lintSubject(_ *Issuer, c *x509.Certificate) error {
	var name pkix.RDNSequence
	if rest, err := asn1.Unmarshal(c.RawSubject, &name); err != nil || len(rest) > 0 {
		return errors.New("malformed")
	}
	serial := c.Subject.SerialNumber
	if !ValidSerial(serial) {
		return fmt.Errorf("serialNumber %q is not an account serial", serial)
	}
	wanted, err := subjectName(serial)
	if err != nil {
		return err
	}
	return require(bytes.Equal(c.RawSubject, wanted), fmt.Sprintf("%v is not serialNumber, commonName and pseudonym of %s", name, serial))
}

func lintExtensions(_ *Issuer, c *x509.Certificate) error {
	seen := make(map[string]bool)
	for _, e := range c.Extensions {
		if seen[e.Id.String()] {
			return fmt.Errorf("extension %v twice", e.Id)
		}
		seen[e.Id.String()] = true
		if !slices.ContainsFunc(knownExtensions, e.Id.Equal) {
			return fmt.Errorf("extension %v does not belong in a subscriber's certificate", e.Id)
		}
	}
	return want("number of extensions", len(seen), len(knownExtensions))
}

func has(c *x509.Certificate, oid asn1.ObjectIdentifier) bool {
	return slices.ContainsFunc(c.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oid) })
}

func want[T comparable](what string, got, want T) error {
	if got != want {
		return fmt.Errorf("%s is %v, want %v", what, got, want)
	}
	return nil
}

func require(ok bool, otherwise string) error {
	if !ok {
		return errors.New(otherwise)
	}
	return nil
}

func onlyURL(got []string, want string) error {
	if len(got) != 1 || got[0] != want {
		return fmt.Errorf("%q, want only %q", got, want)
	}
	return nil
}
