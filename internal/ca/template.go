package ca

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"time"
)

// Attribute types of a subscriber's name.
var (
	oidSerialNumber = asn1.ObjectIdentifier{2, 5, 4, 5}
	oidCommonName   = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidPseudonym    = asn1.ObjectIdentifier{2, 5, 4, 65}
)

// anyPolicy (RFC 5280, clause 4.2.1.4) in the certificate of the issuing CA permits
// any policy in subscribers' certificates.
var anyPolicy = mustOID(2, 5, 29, 32, 0)

func mustOID(arcs ...uint64) x509.OID {
	oid, err := x509.OIDFromInts(arcs)
	if err != nil {
		panic(err)
	}
	return oid
}

// subjectName is the name of a subscriber (DER): serialNumber, common name and
// pseudonym. Clients find the signer in a chain, and recognise the account, by
// serialNumber.
func subjectName(serial string) ([]byte, error) {
	rdn := func(t asn1.ObjectIdentifier, v string) pkix.RelativeDistinguishedNameSET {
		return pkix.RelativeDistinguishedNameSET{{Type: t, Value: v}}
	}
	return asn1.Marshal(pkix.RDNSequence{
		rdn(oidSerialNumber, serial),
		rdn(oidCommonName, serial+":PN"),
		rdn(oidPseudonym, serial),
	})
}

// template returns the content of a subscriber's certificate.
func (i *Issuer) template(serial string, key crypto.PublicKey) (*x509.Certificate, error) {
	subject, err := subjectName(serial)
	if err != nil {
		return nil, err
	}
	notBefore, notAfter, err := i.validity(i.clock.Now())
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber:          newSerialNumber(),
		RawSubject:            subject,
		NotBefore:             notBefore,
		NotAfter:              notAfter,
		SignatureAlgorithm:    i.scheme.algorithm,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		SubjectKeyId:          keyIdentifier(key),
		Policies:              []x509.OID{i.policy},
		OCSPServer:            []string{i.url + pathOCSP},
		IssuingCertificateURL: []string{i.url + certificatePath(i.issuing)},
		CRLDistributionPoints: []string{i.url + crlPath(i.issuing)},
	}, nil
}

// validity is the validity of a certificate issued now, limited to that of the
// issuing CA.
func (i *Issuer) validity(now time.Time) (notBefore, notAfter time.Time, err error) {
	now = now.UTC().Truncate(time.Second)
	notBefore = now.Add(-backdate)
	notAfter = now.AddDate(subscriberYears, 0, 0)
	if i.life > 0 {
		notAfter = now.Add(i.life)
	}
	if notBefore.Before(i.issuing.NotBefore) {
		notBefore = i.issuing.NotBefore
	}
	if notAfter.After(i.issuing.NotAfter) {
		notAfter = i.issuing.NotAfter
	}
	if !now.Before(notAfter) || now.Before(notBefore) {
		return notBefore, notAfter, errors.New("ca: the issuing CA is not valid now")
	}
	return notBefore, notAfter, nil
}
