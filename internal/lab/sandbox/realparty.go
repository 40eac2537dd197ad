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
	"github.com/signum-mssp/signum/internal/partydoc"
)

// describe says what clients may know about a party.
func describe(p *partydoc.Party) Party {
	d := Party{
		APID: p.APID, Name: p.Name, DTBDPrefix: p.Prefix, UnprefixedReceipts: p.UnprefixedReceipts, DefaultLang: p.DefaultLang,
		SubjectNameBase64: p.SubjectNameBase64, Password: p.PasswordHash != "",
		Profiles: slices.Concat([]string{signum.ProfileAuth1}, p.ProfilesOr(signum.SignatureProfiles)), Services: slices.Concat([]string{signum.ServiceUserLang}, p.ServicesOr(partydoc.AllRights().Services)),
	}
	if partydoc.Or(p.SharedCertificates, true) {
		for _, c := range clientCerts {
			d.Certificates = append(d.Certificates, client.SandboxCertificate{KeyType: c.keyType, Cert: c.certFile, Key: c.keyFile, P12: c.p12File})
		}
	}
	for _, text := range p.Certificates {
		c, err := partydoc.ParseCertificate(text, time.Now())
		if err != nil {
			continue // the world warned
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
