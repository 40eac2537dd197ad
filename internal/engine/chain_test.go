package engine

import (
	"bytes"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/cms"
	"github.com/signum-mssp/signum/internal/mssp"
)

// rotate gives the world a new issuing CA with a new root. The old one becomes a
// former CA.
func (w *world) rotate(before *mssp.Certificate) {
	w.t.Helper()
	next, err := ca.Create(ca.Config{Test: true, URL: "http://127.0.0.1:1", IssuingName: "Second CA"}, time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	first, err := w.ca.Chain(before.DER)
	if err != nil {
		w.t.Fatal(err)
	}
	if next, err = next.WithFormer(ca.Former{Issuing: parseCertificate(w.t, first[0]), Root: parseCertificate(w.t, first[1])}); err != nil {
		w.t.Fatal(err)
	}
	if w.ca, err = ca.New(next, w.store, ca.Options{URL: "http://127.0.0.1:1", Clock: w.clock}); err != nil {
		w.t.Fatal(err)
	}
	w.cfg.Chains, w.cfg.Issuer = w.ca, w.ca
}

// Signatures and profiles carry the chain of the CA that issued the signer's
// certificate, even if another CA issues now.
func TestChainAfterRotation(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		old := w.addUser(1, approves, signum.EC, signum.SIM)
		before := w.begin(old)
		if c := w.await(before); c != signum.SignatureMade {
			t.Fatal(c)
		}
		chainOf := func(s *mssp.Subscriber) [][]byte {
			t.Helper()
			chain, err := w.ca.Chain(s.Devices[0].Certificate.DER)
			if err != nil {
				t.Fatal(err)
			}
			return append([][]byte{s.Devices[0].Certificate.DER}, chain...)
		}
		first := chainOf(old)
		w.rotate(old.Devices[0].Certificate)
		young := w.addUser(2, approves, signum.EC, signum.SIM)
		second := chainOf(young)
		if bytes.Equal(first[1], second[1]) || bytes.Equal(first[2], second[2]) {
			t.Fatal("the CAs are the same")
		}
		status, err := w.Status(t.Context(), &mssp.Caller{Pin: testPin}, &signum.StatusRequest{Header: w.header(), TransID: before})
		if err != nil {
			t.Fatal(err)
		}
		wantChain(t, "a signature from before the rotation", status.Signature, first)
		for _, u := range []struct {
			what string
			s    *mssp.Subscriber
			want [][]byte
		}{{"a certificate of the former CA", old, first}, {"a certificate of the new CA", young, second}} {
			resp, err := w.ask(u.s)
			if err != nil {
				t.Fatal(err)
			}
			wantChain(t, u.what, resp.Signature, u.want)
			header := w.header()
			header.Version = signum.Version{Major: "1", Minor: "1"}
			profile, err := w.Profile(t.Context(), &mssp.Caller{Pin: testPin}, &signum.ProfileRequest{
				Header: header, MSISDN: u.s.MSISDN, Getters: signum.ProfileGetters{Certificates: "true"}})
			if err != nil {
				t.Fatal(err)
			}
			chain := profile.Extension.Certificates[0].Chain
			for i, c := range chain {
				if len(chain) != len(u.want) || !bytes.Equal(c.DER, u.want[i]) {
					t.Errorf("%s: profile has a chain of %d, of which %d is %s", u.what, len(chain), i, c.Subject)
				}
			}
		}
	})
}

func wantChain(t *testing.T, what string, signature []byte, want [][]byte) {
	t.Helper()
	sd, err := cms.Parse(signature)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parseCertificate(t, want[len(want)-1]))
	r, err := sd.Verify(cms.VerifyOptions{Roots: roots})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	for i, c := range r.Chain {
		if len(r.Chain) != len(want) || !bytes.Equal(c.Raw, want[i]) {
			t.Errorf("%s: %d certificates, of which %d is %v", what, len(r.Chain), i, c.Subject)
		}
	}
}

func parseCertificate(t testing.TB, der []byte) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// If the issuer of a certificate is unknown, the answer is an error and not a wrong
// chain.
func TestChainUnknown(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		s := w.addUser(1, approves, signum.EC, signum.SIM)
		id := w.begin(s)
		if c := w.await(id); c != signum.SignatureMade {
			t.Fatal(c)
		}
		other, err := ca.Create(ca.Config{Test: true, URL: "http://127.0.0.1:1"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		w.cfg.Chains = other
		_, err = w.Status(t.Context(), &mssp.Caller{Pin: testPin}, &signum.StatusRequest{Header: w.header(), TransID: id})
		if !errors.Is(err, ca.ErrUnknownIssuer) {
			t.Errorf("a certificate of another issuer: %v", err)
		}
	})
}
