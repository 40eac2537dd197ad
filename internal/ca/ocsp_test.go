package ca

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/testkit"
)

func TestOCSP(t *testing.T) {
	for _, p := range []Profile{ECDSA, RSAPSS} {
		t.Run(string(p), func(t *testing.T) {
			ctx := context.Background()
			i, store, base := serve(t, p)
			good, bad, half, held := issue(t, i), issue(t, i), issue(t, i), issue(t, i)
			if err := i.Revoke(ctx, bad.Serial, ocsp.KeyCompromise); err != nil {
				t.Fatal(err)
			}
			row := store.rows[half.Serial]
			row.State = mssp.CertificateIntended
			store.rows[half.Serial] = row
			row = store.rows[held.Serial]
			row.State = "ON HOLD" // a state that only a newer version knows
			store.rows[held.Serial] = row
			unknown := *parse(t, good.DER)
			unknown.SerialNumber = big.NewInt(4711)

			for name, tc := range map[string]struct {
				cert   *x509.Certificate
				status int
			}{
				"good":     {parse(t, good.DER), ocsp.Good},
				"revoked":  {parse(t, bad.DER), ocsp.Revoked},
				"intended": {parse(t, half.DER), ocsp.Unknown},
				"on hold":  {parse(t, held.DER), ocsp.Unknown},
				"unknown":  {&unknown, ocsp.Unknown},
			} {
				for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
					req, err := ocsp.CreateRequest(tc.cert, i.issuing, &ocsp.RequestOptions{Hash: hash})
					if err != nil {
						t.Fatal(err)
					}
					b64 := base64.StdEncoding.EncodeToString(req)
					for _, how := range []struct{ method, path string }{
						{"POST", "/ocsp"},
						{"GET", "/ocsp/" + url.PathEscape(b64)},
						{"GET", "/ocsp/" + url.QueryEscape(b64)},
						{"GET", "/ocsp/" + b64},
					} {
						body := req
						if how.method == "GET" {
							body = nil
						}
						resp, der := fetch(t, how.method, base+how.path, body)
						if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/ocsp-response" ||
							strings.Contains(resp.Header.Get("Cache-Control"), "max-age=60") != (how.method == "GET") {
							t.Errorf("%s %s: %v %v", name, how.method, resp.Status, resp.Header)
						}
						r, err := ocsp.ParseResponseForCert(der, tc.cert, i.issuing)
						if err != nil {
							t.Fatalf("%s %s: %v", name, how.method, err)
						}
						now := time.Now()
						if r.Status != tc.status || r.IssuerHash != hash || r.ThisUpdate.After(now) || r.NextUpdate.Before(now) {
							t.Errorf("%s %s: %+v", name, how.method, r)
						}
						if r.Status == ocsp.Revoked && (r.RevocationReason != ocsp.KeyCompromise || now.Sub(r.RevokedAt) > time.Minute) {
							t.Errorf("revoked at %v for %d", r.RevokedAt, r.RevocationReason)
						}
					}
				}
			}
			other, err := ocsp.CreateRequest(i.issuing, i.root, nil)
			if err != nil {
				t.Fatal(err)
			}
			if a, err := i.ocsp(ctx, other); err != nil || a.signed || !bytes.Equal(a.der, ocsp.UnauthorizedErrorResponse) {
				t.Errorf("certificate of another CA: %x, %v", a.der, err)
			}
		})
	}
}

// A request is answered even if http.ServeMux would redirect its base64.
func TestOCSPPathWithSlashes(t *testing.T) {
	i, _, base := serve(t, ECDSA)
	for range 5000 {
		c := x509.Certificate{SerialNumber: newSerialNumber()}
		req, err := ocsp.CreateRequest(&c, i.issuing, nil)
		if err != nil {
			t.Fatal(err)
		}
		if b64 := base64.StdEncoding.EncodeToString(req); strings.Contains(b64, "//") {
			_, der := fetch(t, "GET", base+"/ocsp/"+b64, nil)
			if _, err := ocsp.ParseResponseForCert(der, &c, i.issuing); err != nil {
				t.Errorf("%s: %v", b64, err)
			}
			return
		}
	}
	t.Error("no base64 with //")
}

// A signed answer is reused for half of its validity, but a revocation shows at once, even if
// another node made it.
func TestOCSPCache(t *testing.T) {
	ctx := context.Background()
	key := new(countingKey)
	i, store := withKey(t, key)
	clock := i.clock.(*testkit.Clock)
	c := issue(t, i)
	req, err := ocsp.CreateRequest(parse(t, c.DER), i.issuing, nil)
	if err != nil {
		t.Fatal(err)
	}
	ask := func() *ocsp.Response {
		t.Helper()
		a, err := i.ocsp(ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		r, err := ocsp.ParseResponse(a.der, i.issuing)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	key.signatures = 0
	for range 10 {
		if r := ask(); r.Status != ocsp.Good {
			t.Error(r.Status)
		}
	}
	if key.signatures != 1 {
		t.Errorf("%d signatures", key.signatures)
	}
	clock.Advance(ocspReuse - time.Second)
	if r := ask(); key.signatures != 1 || r.NextUpdate.Sub(clock.Now()) < ocspReuse {
		t.Errorf("%d signatures; an answer that is valid until %s at %s", key.signatures, r.NextUpdate, clock.Now())
	}
	clock.Advance(time.Second)
	ask()
	if key.signatures != 2 {
		t.Errorf("%d signatures after half of the validity", key.signatures)
	}
	if err := store.RevokeCertificate(ctx, c.Serial, clock.Now(), 0); err != nil {
		t.Fatal(err)
	}
	if r := ask(); r.Status != ocsp.Revoked {
		t.Error(r.Status)
	}
}

func TestOCSPOpenSSL(t *testing.T) {
	for _, p := range []Profile{ECDSA, RSAPSS} {
		i, _, base := serve(t, p)
		good, bad := issue(t, i), issue(t, i)
		if err := i.Revoke(context.Background(), bad.Serial, ocsp.Superseded); err != nil {
			t.Fatal(err)
		}
		for want, c := range map[string]*mssp.Certificate{"leaf.pem: good": good, "leaf.pem: revoked": bad} {
			out, err := testkit.TryOpenSSL(t, nil, "ocsp", "-url", base+"/ocsp",
				"-CAfile", pemFile(t, "root.pem", "CERTIFICATE", i.Root().Raw),
				"-issuer", pemFile(t, "issuing.pem", "CERTIFICATE", i.issuing.Raw),
				"-cert", pemFile(t, "leaf.pem", "CERTIFICATE", c.DER))
			if err != nil || !strings.Contains(out, "Response verify OK") || !strings.Contains(out, want) {
				t.Errorf("%s: openssl ocsp: %v\n%s", p, err, out)
			}
		}
	}
}

// Any request gets a valid OCSP answer.
func FuzzOCSP(f *testing.F) {
	i, _, _ := newIssuer(f, authority(f, ECDSA))
	leaf := parse(f, issue(f, i).DER)
	for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA512} {
		req, err := ocsp.CreateRequest(leaf, i.issuing, &ocsp.RequestOptions{Hash: hash})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(req)
	}
	f.Fuzz(func(t *testing.T, request []byte) {
		a, _ := i.ocsp(context.Background(), request)
		_, err := ocsp.ParseResponse(a.der, i.issuing)
		if a.signed != (err == nil) || err != nil && !errors.As(err, new(ocsp.ResponseError)) {
			t.Errorf("signed = %t, %v", a.signed, err)
		}
	})
}
