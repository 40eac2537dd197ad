package ca

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testURL = "http://pki.example.org/base"

// memStore is an mssp.CertificateStore that fails on demand.
type memStore struct {
	mu    sync.Mutex
	rows  map[string]mssp.Certificate
	calls []string         // names of the methods that were called
	fail  map[string]error // by name of the method
	panic string           // the method that panics
}

var _ mssp.CertificateStore = (*memStore)(nil)

func newStore() *memStore {
	return &memStore{rows: make(map[string]mssp.Certificate), fail: make(map[string]error)}
}

func (s *memStore) enter(name string) (func(), error) {
	s.mu.Lock()
	s.calls = append(s.calls, name)
	if s.panic == name {
		s.mu.Unlock()
		panic("the fake store breaks in " + name)
	}
	return s.mu.Unlock, s.fail[name]
}

func (s *memStore) panicIn(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.panic = name
}

func (s *memStore) failWith(name string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail[name] = err
}

func (s *memStore) count(name string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		if c == name {
			n++
		}
	}
	return n
}

func (s *memStore) IntendCertificate(_ context.Context, c *mssp.Certificate) error {
	leave, err := s.enter("intend")
	defer leave()
	if _, ok := s.rows[c.Serial]; ok || err != nil {
		return errors.Join(err, errors.New("not inserted"))
	}
	row := *c
	row.State = mssp.CertificateIntended
	s.rows[c.Serial] = row
	return nil
}

func (s *memStore) CompleteCertificate(_ context.Context, serial string, der []byte) error {
	leave, err := s.enter("complete")
	defer leave()
	row, ok := s.rows[serial]
	if err != nil || !ok || row.State != mssp.CertificateIntended {
		return errors.Join(err, mssp.ErrNotFound)
	}
	row.State, row.DER = mssp.CertificateGood, der
	s.rows[serial] = row
	return nil
}

func (s *memStore) RevokeCertificate(_ context.Context, serial string, at time.Time, reason int) error {
	leave, err := s.enter("revoke")
	defer leave()
	row, ok := s.rows[serial]
	switch {
	case err != nil:
		return err
	case !ok || row.State == mssp.CertificateIntended:
		return mssp.ErrNotFound
	case row.State == mssp.CertificateGood:
		row.State, row.RevokedAt, row.Reason = mssp.CertificateRevoked, at, reason
		s.rows[serial] = row
	}
	return nil
}

func (s *memStore) Certificate(_ context.Context, serial string) (*mssp.Certificate, error) {
	leave, err := s.enter("certificate")
	defer leave()
	row, ok := s.rows[serial]
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, mssp.ErrNotFound
	}
	row.TBS = nil
	return &row, nil
}

func (s *memStore) RevokedCertificates(_ context.Context, at time.Time) ([]mssp.Certificate, error) {
	leave, err := s.enter("revoked")
	defer leave()
	if err != nil {
		return nil, err
	}
	var list []mssp.Certificate
	for _, row := range s.rows {
		if row.State == mssp.CertificateRevoked && row.NotAfter.After(at) {
			list = append(list, row)
		}
	}
	slices.SortFunc(list, func(a, b mssp.Certificate) int { return strings.Compare(a.Serial, b.Serial) })
	return list, nil
}

// authorities are created once per profile, because RSA keys take long. They have
// 2048 bits here; TestCreateRSA4096 creates real ones.
var authorities sync.Map

func authority(t testing.TB, p Profile) *Authority {
	t.Helper()
	once, _ := authorities.LoadOrStore(p, sync.OnceValues(func() (*Authority, error) {
		return Create(Config{Profile: p, URL: testURL, Test: true, rsaBits: 2048}, time.Now())
	}))
	a, err := once.(func() (*Authority, error))()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newIssuer(t testing.TB, a *Authority) (*Issuer, *memStore, *testkit.Clock) {
	t.Helper()
	store, clock := newStore(), testkit.NewClock(time.Now())
	i, err := New(a, store, Options{URL: testURL, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	return i, store, clock
}

var deviceKeys = map[string]func() (crypto.Signer, error){
	"EC":  sync.OnceValues(func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }),
	"RSA": sync.OnceValues(func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) }),
}

func deviceKey(t testing.TB, kind string) crypto.Signer {
	t.Helper()
	k, err := deviceKeys[kind]()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// issue returns a new certificate for the EC device key.
func issue(t testing.TB, i *Issuer) *mssp.Certificate {
	t.Helper()
	c, err := i.Issue(context.Background(), NewSerial(), "device-1", deviceKey(t, "EC").Public())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func parse(t testing.TB, der []byte) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func pemFile(t testing.TB, name, blockType string, ders ...[]byte) string {
	t.Helper()
	var b bytes.Buffer
	for _, der := range ders {
		_ = pem.Encode(&b, &pem.Block{Type: blockType, Bytes: der})
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// appendFile appends the second file to the first.
func appendFile(t testing.TB, to, from string) {
	t.Helper()
	a, err := os.ReadFile(to)
	b, err2 := os.ReadFile(from)
	if err := errors.Join(err, err2, os.WriteFile(to, append(a, b...), 0o600)); err != nil {
		t.Fatal(err)
	}
}
