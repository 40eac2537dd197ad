package ca

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/signum-mssp/signum/internal/testkit"
)

// askOCSP asks over HTTP for the status of a serial.
func askOCSP(t testing.TB, i *Issuer, serial *big.Int) (status string) {
	t.Helper()
	req, err := ocsp.CreateRequest(&x509.Certificate{SerialNumber: serial}, i.issuing, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	i.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/ocsp", bytes.NewReader(req)))
	r, err := ocsp.ParseResponse(w.Body.Bytes(), i.issuing)
	if refused := (ocsp.ResponseError{}); errors.As(err, &refused) {
		return refused.Status.String()
	}
	if err != nil {
		t.Fatal(err)
	}
	return ocspStatuses[r.Status]
}

// TestAttackInventedSerials: requests for any number of invented serials take little of
// the CA's key, and nothing from requests for real ones.
func TestAttackInventedSerials(t *testing.T) {
	key := new(countingKey)
	i, _ := withKey(t, key)
	clock := i.clock.(*testkit.Clock)
	cert := parse(t, issue(t, i).DER)
	key.signatures = 0
	for second := range 3 {
		answers := map[string]int{}
		for range 500 {
			answers[askOCSP(t, i, newSerialNumber())]++
		}
		if answers["unknown"] != 20 || answers["try later"] != 480 {
			t.Errorf("second %d: %v", second, answers)
		}
		clock.Advance(time.Second)
	}
	if key.signatures != 60 {
		t.Errorf("%d signatures in three seconds", key.signatures)
	}
	for range 100 {
		if got := askOCSP(t, i, cert.SerialNumber); got != "good" {
			t.Fatalf("a real certificate: %s", got)
		}
	}
	if key.signatures != 61 {
		t.Errorf("%d signatures for one certificate", key.signatures-60)
	}
}

// TestAttackRepeatedStatus: however often and however many at a time ask for the
// certificates that were issued, each costs one signature.
func TestAttackRepeatedStatus(t *testing.T) {
	key := new(countingKey)
	i, _ := withKey(t, key)
	clock := i.clock.(*testkit.Clock)
	var serials []*big.Int
	for range 50 {
		serials = append(serials, parse(t, issue(t, i).DER).SerialNumber)
	}
	key.signatures = 0
	for range 20 {
		for _, s := range serials {
			askOCSP(t, i, s)
		}
		clock.Advance(time.Minute)
	}
	if key.signatures != len(serials) {
		t.Errorf("%d signatures for %d certificates", key.signatures, len(serials))
	}
	// All at once, after a revocation: the new status is signed once.
	if err := i.Revoke(context.Background(), serials[0].Text(16), ocsp.KeyCompromise); err != nil {
		t.Fatal(err)
	}
	key.signatures = 0
	var asking sync.WaitGroup
	for range 50 {
		asking.Go(func() {
			if got := askOCSP(t, i, serials[0]); got != "revoked" {
				t.Errorf("after the revocation: %s", got)
			}
		})
	}
	asking.Wait()
	if key.signatures != 1 {
		t.Errorf("%d signatures at once", key.signatures)
	}
}

// BenchmarkOCSP measures answers about a certificate that was issued, and about
// serials that were not, beyond their limit.
func BenchmarkOCSP(b *testing.B) {
	for _, invented := range []bool{false, true} {
		name := map[bool]string{false: "issued", true: "invented"}[invented]
		b.Run(name, func(b *testing.B) {
			i, _, _ := newIssuer(b, authority(b, ECDSA))
			serial := parse(b, issue(b, i).DER).SerialNumber
			for b.Loop() {
				if invented {
					serial = newSerialNumber()
				}
				askOCSP(b, i, serial)
			}
		})
	}
}
