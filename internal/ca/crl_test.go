package ca

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/testkit"
)

func parseCRL(t *testing.T, der []byte, issuer *x509.Certificate) *x509.RevocationList {
	t.Helper()
	crl, err := x509.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	if err := crl.CheckSignatureFrom(issuer); err != nil {
		t.Fatal(err)
	}
	return crl
}

func getCRL(t *testing.T, i *Issuer) *x509.RevocationList {
	t.Helper()
	der, err := i.CRL(t.Context(), i.issuing)
	if err != nil {
		t.Fatal(err)
	}
	return parseCRL(t, der, i.issuing)
}

func TestCRL(t *testing.T) {
	for _, p := range []Profile{ECDSA, RSAPSS} {
		t.Run(string(p), func(t *testing.T) {
			ctx := context.Background()
			i, store, clock := newIssuer(t, authority(t, p))
			first := getCRL(t, i)
			if len(first.RevokedCertificateEntries) != 0 || !first.NextUpdate.Equal(clock.Now().UTC().Truncate(time.Second).Add(24*time.Hour)) {
				t.Errorf("first CRL: %d entries, next update %v", len(first.RevokedCertificateEntries), first.NextUpdate)
			}
			good, bad := issue(t, i), issue(t, i)
			clock.Advance(time.Minute)
			if again := getCRL(t, i); !bytes.Equal(again.Raw, first.Raw) || store.count("revoked") != 1 {
				t.Error("a new CRL without a revocation")
			}
			if err := i.Revoke(ctx, bad.Serial, 1); err != nil {
				t.Fatal(err)
			}
			second := getCRL(t, i)
			if len(second.RevokedCertificateEntries) != 1 {
				t.Fatalf("%d entries", len(second.RevokedCertificateEntries))
			}
			e := second.RevokedCertificateEntries[0]
			if e.SerialNumber.Text(16) != bad.Serial || e.ReasonCode != 1 || !e.RevocationTime.Equal(clock.Now().UTC().Truncate(time.Second)) {
				t.Errorf("entry %+v", e)
			}
			if second.Number.Cmp(first.Number) <= 0 {
				t.Errorf("number %v after %v", second.Number, first.Number)
			}
			// Another node revokes.
			if err := store.RevokeCertificate(ctx, good.Serial, clock.Now(), 0); err != nil {
				t.Fatal(err)
			}
			clock.Advance(crlRefresh)
			if third := getCRL(t, i); len(third.RevokedCertificateEntries) != 2 || third.Number.Cmp(second.Number) <= 0 {
				t.Errorf("%d entries, number %v after %v", len(third.RevokedCertificateEntries), third.Number, second.Number)
			}
			// Numbers increase even if the clock is set back.
			clock.Advance(-48 * time.Hour)
			last := getCRL(t, i)
			clock.Advance(-time.Hour)
			if next := getCRL(t, i); next.Number.Cmp(last.Number) <= 0 {
				t.Errorf("number %v after %v", next.Number, last.Number)
			}

			out, err := testkit.TryOpenSSL(t, second.Raw, "crl", "-inform", "der", "-noout", "-text", "-CAfile", pemFile(t, "issuing.pem", "CERTIFICATE", i.issuing.Raw))
			if err != nil || !strings.Contains(out, "verify OK") || !strings.Contains(out, strings.ToUpper(bad.Serial)) || !strings.Contains(out, "Key Compromise") {
				t.Errorf("openssl crl: %s", out)
			}
		})
	}
}

func TestCRLStoreDown(t *testing.T) {
	i, store, clock := newIssuer(t, authority(t, ECDSA))
	c := issue(t, i)
	first := getCRL(t, i)
	store.failWith("revoked", errors.New("store is down"))
	clock.Advance(crlRefresh)
	if again := getCRL(t, i); !bytes.Equal(again.Raw, first.Raw) {
		t.Error("not the old CRL")
	}
	clock.Advance(crlValidity)
	if _, err := i.CRL(t.Context(), i.issuing); err == nil {
		t.Error("an expired CRL")
	}
	clock.Advance(-crlValidity)
	if err := i.Revoke(context.Background(), c.Serial, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := i.CRL(t.Context(), i.issuing); err == nil {
		t.Error("a CRL without a revocation of this node")
	}
}

func TestRevokeRefuses(t *testing.T) {
	i, store, _ := newIssuer(t, authority(t, ECDSA))
	c := issue(t, i)
	for _, reason := range []int{-1, 6, 7, 8, 11} {
		if err := i.Revoke(context.Background(), c.Serial, reason); err == nil {
			t.Errorf("reason %d", reason)
		}
	}
	if store.count("revoke") != 0 {
		t.Error("the store was asked")
	}
	if err := i.Revoke(context.Background(), "ffff", 0); !errors.Is(err, mssp.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
}
