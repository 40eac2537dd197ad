package app

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// store is a mssp.Store in memory.
type store struct {
	trap     *trap
	mu       sync.Mutex
	subs     map[string]*mssp.Subscriber
	apps     map[string]*mssp.AppDevice
	invites  map[string]*mssp.Invite
	recovery map[string][]byte
	known    map[string]bool // by MSISDN: a certificate has named the serial
	certs    map[string]*mssp.Certificate
	logos    map[string][]byte
	enrolled int
	fail     error // returned by every call, if set
}

func newStore(t *trap) *store {
	return &store{
		trap: t,
		subs: make(map[string]*mssp.Subscriber), apps: make(map[string]*mssp.AppDevice),
		invites: make(map[string]*mssp.Invite), recovery: make(map[string][]byte), known: make(map[string]bool), certs: make(map[string]*mssp.Certificate), logos: make(map[string][]byte),
	}
}

// enter locks the store. It is the one place where calls fail or panic.
func (s *store) enter() (leave func(), err error) {
	s.trap.pass(caller())
	s.mu.Lock()
	return s.mu.Unlock, s.fail
}

func (s *store) PutInvite(_ context.Context, i *mssp.Invite) error {
	leave, err := s.enter()
	defer leave()
	maps.DeleteFunc(s.invites, func(_ string, o *mssp.Invite) bool { return o.MSISDN == i.MSISDN })
	s.invites[string(i.CodeHash)] = i
	return err
}

func (s *store) Logo(_ context.Context, id string) ([]byte, error) {
	leave, err := s.enter()
	defer leave()
	if png := s.logos[id]; png != nil && err == nil {
		return png, nil
	}
	return nil, cmpErr(err, mssp.ErrNotFound)
}

func (s *store) Invite(_ context.Context, hash []byte, now time.Time) (*mssp.Invite, error) {
	leave, err := s.enter()
	defer leave()
	i := s.invites[string(hash)]
	if i == nil || !now.Before(i.Expires) {
		return nil, errors.Join(err, mssp.ErrInvite)
	}
	return i, err
}

func (s *store) EnrolApp(_ context.Context, e *mssp.Enrolment, now time.Time) error {
	leave, err := s.enter()
	defer leave()
	if s.invites[string(e.CodeHash)] == nil {
		return mssp.ErrInvite
	}
	delete(s.invites, string(e.CodeHash))
	sub := s.subs[e.App.MSISDN]
	s.known[sub.MSISDN] = true
	if e.Serial != "" {
		sub.Serial = e.Serial
		for i := range sub.Devices {
			end(&sub.Devices[i], mssp.EndedByEnrolment, now)
		}
	}
	sub.Devices = append(sub.Devices, e.Device)
	if e.RecoveryHash != nil {
		s.recovery[e.App.MSISDN], sub.RecoveryCodeCreated = e.RecoveryHash, true
	}
	s.apps[e.App.DeviceID] = copyApp(e.App)
	s.enrolled++
	return err
}

func copyApp(a *mssp.AppDevice) *mssp.AppDevice {
	c := *a
	c.Passkeys = slices.Clone(a.Passkeys)
	return &c
}

func (s *store) App(_ context.Context, id string) (*mssp.AppDevice, error) {
	leave, err := s.enter()
	defer leave()
	if a := s.apps[id]; a != nil && err == nil {
		return s.read(a), nil
	}
	return nil, cmpErr(err, mssp.ErrNotFound)
}

// read returns a copy of an App with what belongs to its device and account.
func (s *store) read(a *mssp.AppDevice) *mssp.AppDevice {
	c, sub := copyApp(a), s.subs[a.MSISDN]
	if i := slices.IndexFunc(sub.Devices, func(d mssp.Device) bool { return d.ID == a.DeviceID }); i >= 0 {
		d := &sub.Devices[i]
		c.Active = d.State == signum.DeviceActive && sub.State == mssp.SubscriberActive
		c.PINBlocked = d.PINBlocked
	}
	return c
}

func cmpErr(err, or error) error {
	if err != nil {
		return err
	}
	return or
}

func (s *store) UpdateApp(_ context.Context, id string, change func(*mssp.AppDevice) error) error {
	leave, err := s.enter()
	defer leave()
	old := s.apps[id]
	if old == nil || err != nil {
		return cmpErr(err, mssp.ErrNotFound)
	}
	if err := change(s.read(old)); err != nil { // as mssp.AppStore allows: it may be called more than once
		return err
	}
	a := s.read(old)
	if err := change(a); err != nil {
		return err
	}
	a.TriesLeft = old.TriesLeft
	s.apps[id] = a
	return nil
}

func (s *store) TryPasscode(_ context.Context, id string, hash []byte, v *mssp.UserVerification) (bool, int, error) {
	leave, err := s.enter()
	defer leave()
	a := s.apps[id]
	switch {
	case a == nil:
		return false, -1, cmpErr(err, mssp.ErrNotFound)
	case err != nil || a.TriesLeft == 0:
		return false, -1, err
	case !bytes.Equal(hash, a.VerifierHash):
		a.TriesLeft--
		return false, a.TriesLeft, nil
	case v != nil:
		a.Unlocked = v
	}
	a.TriesLeft = mssp.MaxPasscodeTries
	return true, a.TriesLeft, nil
}

func (s *store) ResetTries(_ context.Context, id string) error {
	leave, err := s.enter()
	defer leave()
	s.apps[id].TriesLeft = mssp.MaxPasscodeTries
	return err
}

func (s *store) RemoveApp(_ context.Context, id string) error {
	leave, err := s.enter()
	defer leave()
	a := s.apps[id]
	if a == nil {
		return mssp.ErrNotFound
	}
	delete(s.apps, id)
	sub := s.subs[a.MSISDN]
	sub.Devices = slices.DeleteFunc(sub.Devices, func(d mssp.Device) bool { return d.ID == id })
	return err
}

func (s *store) RecoveryHash(_ context.Context, n string) ([]byte, error) {
	leave, err := s.enter()
	defer leave()
	return s.recovery[n], err
}

func (s *store) SetRecoveryHash(_ context.Context, n string, hash []byte) error {
	leave, err := s.enter()
	defer leave()
	s.recovery[n], s.subs[n].RecoveryCodeCreated = hash, true
	return err
}

func (s *store) SetSubscriberState(_ context.Context, n string, to mssp.SubscriberState) error {
	leave, err := s.enter()
	defer leave()
	s.subs[n].State = to
	return err
}

func (s *store) Subscriber(_ context.Context, n string) (*mssp.Subscriber, error) {
	leave, err := s.enter()
	defer leave()
	sub := s.subs[n]
	if sub == nil {
		return nil, cmpErr(err, mssp.ErrNotFound)
	}
	c := *sub
	c.Devices = slices.Clone(sub.Devices)
	return &c, err
}

func (s *store) device(id string) *mssp.Device {
	for _, sub := range s.subs {
		for i := range sub.Devices {
			if sub.Devices[i].ID == id {
				return &sub.Devices[i]
			}
		}
	}
	return nil
}

func (s *store) RenewDevice(_ context.Context, id, from, to string) (bool, error) {
	leave, err := s.enter()
	defer leave()
	d := s.device(id)
	if err != nil || d == nil || d.State != signum.DeviceActive || d.Certificate.Serial != from {
		return false, err
	}
	d.Certificate = s.certs[to]
	return true, nil
}

func (s *store) SetPINBlocked(_ context.Context, id string, blocked bool) error {
	leave, err := s.enter()
	defer leave()
	s.device(id).PINBlocked = blocked
	return err
}

func (s *store) EndDevice(_ context.Context, id string, why mssp.DeviceEnd, at time.Time) error {
	leave, err := s.enter()
	defer leave()
	end(s.device(id), why, at)
	return err
}

func end(d *mssp.Device, why mssp.DeviceEnd, at time.Time) {
	if d.Ended == "" {
		d.State, d.Ended, d.EndedAt = signum.DeviceInactive, why, at
	}
}

func (s *store) SerialKnown(_ context.Context, n string) (bool, error) {
	leave, err := s.enter()
	defer leave()
	return s.known[n], err
}

func (s *store) setFail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

// get reads or changes the store behind the server's back.
func get[T any](s *store, f func(*store) T) T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return f(s)
}

// authority is a CA.
type authority struct {
	clock   *testkit.Clock
	store   *store
	trap    *trap
	key     *ecdsa.PrivateKey
	life    time.Duration
	mu      sync.Mutex
	n       int64
	revoked map[string]int
	fail    error
}

func newAuthority(t testing.TB, c *testkit.Clock, s *store) *authority {
	return &authority{clock: c, store: s, trap: s.trap, key: testkit.ECKey(t), life: 3 * 365 * 24 * time.Hour, revoked: make(map[string]int)}
}

func (a *authority) Issue(_ context.Context, serial, deviceID string, key crypto.PublicKey) (*mssp.Certificate, error) {
	a.trap.pass("Issue")
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fail != nil {
		return nil, a.fail
	}
	a.n++
	now := a.clock.Now()
	t := &x509.Certificate{
		SerialNumber: big.NewInt(a.n), Subject: pkix.Name{SerialNumber: serial, CommonName: serial},
		NotBefore: now, NotAfter: now.Add(a.life),
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key, a.key)
	if err != nil {
		return nil, err
	}
	c := &mssp.Certificate{
		Serial: t.SerialNumber.Text(16), DeviceID: deviceID, State: mssp.CertificateGood, DER: der,
		NotBefore: t.NotBefore, NotAfter: t.NotAfter,
	}
	return c, get(a.store, func(s *store) error { s.certs[c.Serial] = c; return nil })
}

// Chain returns a text that names the certificate.
func (a *authority) Chain(der []byte) ([][]byte, error) {
	a.trap.pass("Chain")
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return [][]byte{fmt.Appendf(nil, "issuer of %x", c.SerialNumber)}, nil
}

func (a *authority) Revoke(_ context.Context, serial string, reason int) error {
	a.trap.pass("Revoke")
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fail != nil {
		return a.fail
	}
	a.revoked[serial] = reason
	return nil
}

// engine has the pending requests and accepts one answer to each.
type engine struct {
	trap    *trap
	mu      sync.Mutex
	pending map[string][]mssp.DeviceRequest // by device, oldest first
	answers []mssp.DeviceAnswer
	cms     map[string][]byte
	asked   map[string]string // by TransID, the number whose phone was asked
	checked []string          // the accounts for which Recheck was called
	fail    error
}

func newEngine(t *trap) *engine {
	return &engine{trap: t, pending: make(map[string][]mssp.DeviceRequest), cms: make(map[string][]byte), asked: make(map[string]string)}
}

func (e *engine) Pending(_ context.Context, deviceID string) ([]mssp.DeviceRequest, error) {
	e.trap.pass("Pending")
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.pending[deviceID]), e.fail
}

// Ended knows what was answered.
func (e *engine) Ended(_ context.Context, msisdn, transID string, op mssp.DeviceOp) (bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.ContainsFunc(e.answers, func(a mssp.DeviceAnswer) bool { return a.TransID == transID && a.Op == op }) && e.asked[transID] == msisdn, e.fail
}

func (e *engine) Signature(_ context.Context, deviceID, transID string) ([]byte, error) {
	e.trap.pass("Signature")
	e.mu.Lock()
	defer e.mu.Unlock()
	if der, ok := e.cms[deviceID+" "+transID]; ok {
		return der, nil
	}
	return nil, mssp.ErrNotFound
}

func (e *engine) Answer(_ context.Context, a mssp.DeviceAnswer) error {
	e.trap.pass("Answer")
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fail != nil {
		return e.fail
	}
	e.answers = append(e.answers, a)
	e.forget(a.DeviceID, a.TransID, a.Op)
	return nil
}

func (e *engine) forget(deviceID, transID string, op mssp.DeviceOp) {
	e.pending[deviceID] = slices.DeleteFunc(e.pending[deviceID], func(r mssp.DeviceRequest) bool {
		return r.TransID == transID && r.Op == op
	})
}

func (e *engine) Recheck(_ context.Context, msisdn string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.checked = append(e.checked, msisdn)
	return e.fail
}

func (e *engine) rechecked() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.checked)
}

// add makes a request pending, as the engine does before it calls Send.
func (e *engine) add(r mssp.DeviceRequest) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pending[r.DeviceID] = append(e.pending[r.DeviceID], r)
	e.asked[r.TransID] = r.MSISDN
}

func (e *engine) withdraw(r mssp.DeviceRequest) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.forget(r.DeviceID, r.TransID, r.Op)
}

func (e *engine) answered() []mssp.DeviceAnswer {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.answers)
}

func (e *engine) setFail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fail = err
}

func serials() func() string {
	n := 0
	return func() string { n++; return fmt.Sprintf("MIDCHENEW%07d", n) }
}
