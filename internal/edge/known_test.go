package edge

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/testkit"
)

// TestKnown: a party is known by its certificate, a new one within a second, and all
// stay known while the store does not answer.
func TestKnown(t *testing.T) {
	peer := func(der []byte) tls.ConnectionState {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return tls.ConnectionState{PeerCertificates: []*x509.Certificate{c}}
	}
	first, second := certificate(t, nil).Certificate[0], certificate(t, nil).Certificate[0]
	clock := testkit.NewClock(time.Now())
	pins, asked, down := []mssp.Pin{mssp.PinOf(first)}, 0, error(nil)
	k := &Known{Clock: clock, Pins: func(context.Context) ([]mssp.Pin, error) { asked++; return pins, down }}
	check := func(when string, der []byte, want bool, wantAsked int) {
		t.Helper()
		if got := k.Shown(peer(der)); got != want || asked != wantAsked {
			t.Errorf("%s: %v after %d questions, want %v after %d", when, got, asked, want, wantAsked)
		}
	}
	check("first", first, true, 1)
	check("a stranger", second, false, 1)
	pins = append(pins, mssp.PinOf(second))
	check("at once", second, false, 1)
	clock.Advance(knownFor)
	check("a second later", second, true, 2)
	down = errors.New("down")
	clock.Advance(knownFor)
	check("without a store", first, true, 3)
	if k.Shown(tls.ConnectionState{}) {
		t.Error("no certificate is known")
	}
}
