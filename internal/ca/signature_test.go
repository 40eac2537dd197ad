package ca

import (
	"context"
	"crypto/x509"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/cms"
	"github.com/signum-mssp/signum/internal/testkit"
)

// openssl verifies a subscriber's signature, and requires CRLs, before and after the
// certificate is revoked.
func TestSignatureOpenSSL(t *testing.T) {
	for _, p := range []Profile{ECDSA, RSAPSS} {
		for _, kind := range []string{"EC", "RSA"} {
			t.Run(string(p)+"/"+kind, func(t *testing.T) {
				ctx := context.Background()
				i, _, clock := newIssuer(t, authority(t, p))
				key := deviceKey(t, kind)
				c, err := i.Issue(ctx, NewSerial(), "device-1", key.Public())
				if err != nil {
					t.Fatal(err)
				}
				const text = "Zürich: CHF 10.– bezahlen?"
				der := signWith(t, i, c, key, text, clock.Now())
				sd, err := cms.Parse(der)
				if err != nil {
					t.Fatal(err)
				}
				roots := x509.NewCertPool()
				roots.AddCert(i.Root())
				if r, err := sd.Verify(cms.VerifyOptions{Roots: roots}); err != nil || r.Serial != parse(t, c.DER).Subject.SerialNumber {
					t.Errorf("%+v, %v", r, err)
				}

				verify := func() (string, error) {
					rootCRL, err := i.CRL(t.Context(), i.root)
					if err != nil {
						t.Fatal(err)
					}
					crl, err := i.CRL(ctx, i.issuing)
					if err != nil {
						t.Fatal(err)
					}
					trust := pemFile(t, "root.pem", "CERTIFICATE", i.Root().Raw)
					crls := pemFile(t, "crls.pem", "X509 CRL", crl, rootCRL)
					appendFile(t, trust, crls)
					return testkit.TryOpenSSL(t, der, "cms", "-verify", "-inform", "der", "-binary", "-CAfile", trust, "-purpose", "sslclient", "-crl_check_all")
				}
				if out, err := verify(); err != nil || !strings.Contains(out, text) {
					t.Errorf("openssl cms: %s", out)
				}
				if err := i.Revoke(ctx, c.Serial, 1); err != nil {
					t.Fatal(err)
				}
				if out, err := verify(); err == nil || !strings.Contains(out, "certificate revoked") {
					t.Errorf("openssl cms after revocation: %s", out)
				}
			})
		}
	}
}
