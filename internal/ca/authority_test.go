package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/testkit"
)

func TestCreate(t *testing.T) {
	for _, tc := range []struct {
		profile   Profile
		algorithm x509.SignatureAlgorithm // of the issuing CA's certificate
	}{
		{ECDSA, x509.ECDSAWithSHA384},
		{RSAPSS, x509.SHA256WithRSAPSS},
	} {
		t.Run(string(tc.profile), func(t *testing.T) {
			a := authority(t, tc.profile)
			issuing, root := a.issuing, a.Root()
			if issuing.SignatureAlgorithm != tc.algorithm || root.SignatureAlgorithm != tc.algorithm {
				t.Errorf("algorithms %v, %v", issuing.SignatureAlgorithm, root.SignatureAlgorithm)
			}
			if root.Subject.CommonName != "TEST Signum Root CA" || issuing.Subject.CommonName != "TEST Signum Issuing CA" {
				t.Errorf("names %v, %v", root.Subject, issuing.Subject)
			}
			if root.Subject.SerialNumber != "" || issuing.Subject.SerialNumber != "" {
				t.Error("a CA has a serialNumber in its subject, by which clients find the signer")
			}
			if !root.IsCA || root.MaxPathLen != -1 || root.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign {
				t.Errorf("root: CA %t, path length %d, key usage %b", root.IsCA, root.MaxPathLen, root.KeyUsage)
			}
			if issuing.MaxPathLen != 0 || issuing.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign|x509.KeyUsageDigitalSignature {
				t.Errorf("issuing CA: path length %d, key usage %b", issuing.MaxPathLen, issuing.KeyUsage)
			}
			if issuing.CRLDistributionPoints[0] != testURL+"/crl/"+keyID(root)+".crl" || issuing.IssuingCertificateURL[0] != testURL+"/ca/"+keyID(root)+".cer" {
				t.Errorf("issuing CA: URLs %v %v", issuing.CRLDistributionPoints, issuing.IssuingCertificateURL)
			}
			for _, c := range []*x509.Certificate{root, issuing} {
				for _, e := range c.Extensions {
					if e.Critical != (e.Id.Equal(oidKeyUsage) || e.Id.Equal(oidBasic)) {
						t.Errorf("%v: extension %v has critical = %t", c.Subject, e.Id, e.Critical)
					}
				}
			}
			out, err := testkit.TryOpenSSL(t, nil, "verify", "-x509_strict", "-check_ss_sig", "-CAfile", pemFile(t, "root.pem", "CERTIFICATE", root.Raw),
				pemFile(t, "issuing.pem", "CERTIFICATE", issuing.Raw))
			if err != nil {
				t.Errorf("openssl verify: %s", out)
			}
		})
	}
}

func TestCreateRSA4096(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	a, err := Create(Config{Profile: RSAPSS, URL: testURL}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*x509.Certificate{a.root, a.issuing} {
		if bits := c.PublicKey.(*rsa.PublicKey).N.BitLen(); bits != 4096 || c.SignatureAlgorithm != x509.SHA256WithRSAPSS {
			t.Errorf("%v: %d bits, %v", c.Subject, bits, c.SignatureAlgorithm)
		}
		out, err := testkit.TryOpenSSL(t, c.Raw, "x509", "-inform", "der", "-noout", "-text")
		if err != nil || !strings.Contains(out, "rsassaPss") || !strings.Contains(out, "Salt Length: 0x20") {
			t.Errorf("openssl x509: %v\n%s", err, out)
		}
	}
}

func TestCreateNames(t *testing.T) {
	a, err := Create(Config{RootName: "R", IssuingName: "I", Organization: "Ärzte & Söhne", Country: "CH", URL: "http://localhost:8080/"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if got := a.root.Subject.String() + "; " + a.issuing.Subject.String(); got != "CN=R,O=Ärzte & Söhne,C=CH; CN=I,O=Ärzte & Söhne,C=CH" {
		t.Error(got)
	}
	if got := a.issuing.CRLDistributionPoints[0]; got != "http://localhost:8080/crl/"+keyID(a.root)+".crl" {
		t.Error(got)
	}
}

func TestCreateRefuses(t *testing.T) {
	for _, c := range []Config{
		{},
		{URL: "https://pki.example.org"},
		{URL: "http://"},
		{URL: "/pki"},
		{URL: "http://pki.example.org/?x"},
		{URL: "http://pki.example.org/#x"},
		{URL: "http://user@pki.example.org/"},
		{URL: testURL, Profile: "rsa"},
	} {
		if _, err := Create(c, time.Now()); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}

func TestNewAuthorityRefuses(t *testing.T) {
	a, b := authority(t, ECDSA), authority(t, RSAPSS)
	plain := *a.issuing
	plain.ExtKeyUsage = nil
	deep := *a.issuing
	deep.MaxPathLenZero = false
	for name, err := range map[string]error{
		"root of another":      second(NewAuthority(b.root, a.issuing, nil, a.issuingKey, nil)),
		"root not one":         second(NewAuthority(a.issuing, a.issuing, nil, a.issuingKey, nil)),
		"no issuing key":       second(NewAuthority(a.root, a.issuing, nil, nil, nil)),
		"other issuing key":    second(NewAuthority(a.root, a.issuing, nil, a.rootKey, nil)),
		"other root key":       second(NewAuthority(a.root, a.issuing, a.issuingKey, a.issuingKey, nil)),
		"not for clients":      second(NewAuthority(a.root, &plain, nil, a.issuingKey, nil)),
		"may have CAs below":   second(NewAuthority(a.root, &deep, nil, a.issuingKey, nil)),
		"issuing CA is itself": second(NewAuthority(a.root, a.root, nil, a.rootKey, nil)),
	} {
		if err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// The public key of a key in an HSM may have a type of its own.
type remoteKey struct{ crypto.Signer }

func (k remoteKey) Sign(r io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	return k.Signer.Sign(r, digest, o)
}

func TestRemoteKey(t *testing.T) {
	a := authority(t, ECDSA)
	remote, err := NewAuthority(a.root, a.issuing, nil, remoteKey{a.issuingKey}, nil)
	if err != nil {
		t.Fatal(err)
	}
	i, _, _ := newIssuer(t, remote)
	issue(t, i)
	if err := remote.Save(t.TempDir()); err == nil {
		t.Error("a key that is not in memory was saved")
	}
}

func TestSchemeOf(t *testing.T) {
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := schemeOf(p521.Public()); err == nil {
		t.Error("P-521 has no scheme")
	}
	if _, err := schemeOf("key"); err == nil {
		t.Error("a string has no scheme")
	}
}

func TestSerial(t *testing.T) {
	seen := make(map[string]bool)
	counts := make(map[byte]int)
	const n = 7200
	for range n {
		s := NewSerial()
		if !ValidSerial(s) || len(s) != 16 || seen[s] {
			t.Fatalf("serial %q", s)
		}
		seen[s] = true
		for j := len(serialPrefix); j < len(s); j++ {
			counts[s[j]]++
		}
	}
	// 2000 of each are expected, with a standard deviation of 44: allow six of these.
	for _, c := range []byte(serialAlphabet) {
		if d := counts[c] - n*serialRandom/36; d < -264 || d > 264 {
			t.Errorf("%c occurs %d times", c, counts[c])
		}
	}
	for _, s := range []string{"", "MIDCHE", "MIDCHE012345678", "MIDCHE01234567890", "MIDCHE012345678a", "midche0123456789",
		"XIDCHE0123456789", "MIDCHE01234 6789", "MIDCHE012345678É"} {
		if ValidSerial(s) {
			t.Errorf("%q is accepted as a serial", s)
		}
	}
}

func second[T any](_ T, err error) error { return err }
