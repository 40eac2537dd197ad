package softapp

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/lab/person"
)

// What a software App says of itself.
const (
	appVersion  = "1.0"
	appPlatform = "software"
)

// EnrolOptions are what a person enters at an enrolment.
type EnrolOptions struct {
	Name         string // of the phone; empty: "Software App"
	Passcode     string // 1 to 64 bytes; empty: person.DefaultPIN
	RecoveryCode string // lets an account in use keep its serial number
}

type beginRequest struct {
	Code string `json:"code"`
}

type beginAnswer struct {
	Enrolment string `json:"enrolment"`
	Challenge octets `json:"challenge"`
	Share     octets `json:"share"`
	Service   string `json:"service"`
}

type enrolRequest struct {
	Enrolment    string `json:"enrolment"`
	AuthKey      octets `json:"auth_key"`
	AuthProof    octets `json:"auth_proof"`
	SignKey      octets `json:"sign_key"`
	SignProof    octets `json:"sign_proof"`
	Verifier     octets `json:"verifier"`
	Name         string `json:"name"`
	Version      string `json:"version"`
	Platform     string `json:"platform"`
	RecoveryCode string `json:"recovery_code,omitempty"`
}

type enrolAnswer struct {
	Device       string   `json:"device"`
	MSISDN       string   `json:"msisdn"`
	Serial       string   `json:"serial"`
	Certificates []octets `json:"certificates"`
	RecoveryCode string   `json:"recovery_code"`
}

// Enrol enrols a new App with an activation code. While Run is active, it opens the
// inbox. An *Error is a refusal by the service.
func (s *Apps) Enrol(ctx context.Context, code string, o EnrolOptions) (*Info, error) {
	if o.Name == "" {
		o.Name = "Software App"
	}
	if o.Passcode == "" {
		o.Passcode = person.DefaultPIN
	}
	if len(o.Passcode) > 64 {
		return nil, errors.New("enrolment: the passcode is longer than 64 bytes")
	}
	var begun beginAnswer
	err := s.retry(ctx, func() error {
		return s.call(ctx, nil, http.MethodPost, "enrol/begin", beginRequest{code}, &begun)
	})
	if err != nil {
		return nil, fmt.Errorf("enrolment: %w", err)
	}
	if len(begun.Challenge) != keySize || len(begun.Share) != keySize || begun.Enrolment == "" || begun.Service == "" {
		return nil, errors.New("enrolment: the answer of the service to its begin is incomplete")
	}
	n, err := s.prepare(&begun, o)
	if err != nil {
		return nil, fmt.Errorf("enrolment: %w", err)
	}
	var done enrolAnswer
	err = s.retry(ctx, func() error { return s.call(ctx, nil, http.MethodPost, "enrol", &n.request, &done) })
	if err != nil {
		return nil, fmt.Errorf("enrolment: %w", err)
	}
	p, err := s.enrolled(n, &done, o)
	if err != nil {
		return nil, fmt.Errorf("enrolment: %w", err)
	}
	info := p.record.info()
	info.RecoveryCode = done.RecoveryCode
	return &info, nil
}

// draft is an App in the middle of its enrolment.
type draft struct {
	record  Record
	request enrolRequest
	p       []byte
}

// prepare makes the keys and encrypts the signing key.
func (s *Apps) prepare(begun *beginAnswer, o EnrolOptions) (*draft, error) {
	n := &draft{
		record: Record{
			Service: begun.Service, Name: o.Name, Secret: random(keySize), Salt: random(saltSize), Rounds: PBKDF2Rounds,
		},
		request: enrolRequest{
			Enrolment: begun.Enrolment, Name: o.Name, Version: appVersion, Platform: appPlatform, RecoveryCode: o.RecoveryCode,
		},
	}
	if s.c.FastKDF {
		n.record.Rounds = 1
	}
	auth, authPublic, err := newAppKey()
	if err != nil {
		return nil, err
	}
	sign, signPublic, err := newAppKey()
	if err != nil {
		return nil, err
	}
	r, q := &n.record, &n.request
	if r.AuthKey, err = x509.MarshalPKCS8PrivateKey(auth); err != nil {
		return nil, err
	}
	if n.p, err = stretch(o.Passcode, r.Salt, r.Rounds); err != nil {
		return nil, err
	}
	if r.SignKey, err = wrap(sign, n.p, begun.Share); err != nil {
		return nil, err
	}
	proof := enrolmentProof(begun.Challenge, authPublic, signPublic)
	if q.AuthProof, err = signRaw(auth, proof); err != nil {
		return nil, err
	}
	if q.SignProof, err = signRaw(sign, proof); err != nil {
		return nil, err
	}
	q.AuthKey, q.SignKey, q.Verifier = authPublic, signPublic, verifier(r.Secret, n.p)
	r.Public = signPublic
	return n, nil
}

func newAppKey() (key *ecdsa.PrivateKey, public []byte, err error) {
	if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, nil, err
	}
	public, err = x509.MarshalPKIXPublicKey(key.Public())
	return key, public, err
}

// enrolled checks and stores the answer of the service.
func (s *Apps) enrolled(n *draft, done *enrolAnswer, o EnrolOptions) (*app, error) {
	if done.Device == "" || done.MSISDN == "" || len(done.Certificates) == 0 {
		return nil, errors.New("the answer of the service is incomplete")
	}
	own, err := x509.ParseCertificate(done.Certificates[0])
	if err != nil {
		return nil, fmt.Errorf("the certificate of the App: %w", err)
	}
	if !bytes.Equal(own.RawSubjectPublicKeyInfo, n.record.Public) {
		return nil, errors.New("the certificate of the App is for another key")
	}
	r := &n.record
	r.DeviceID, r.MSISDN, r.Serial = done.Device, done.MSISDN, done.Serial
	for _, der := range done.Certificates {
		r.Certificates = append(r.Certificates, der)
	}
	p, err := s.newApp(r, o.Passcode)
	if err != nil {
		return nil, err
	}
	p.remember(o.Passcode, n.p)
	p.due.Store(s.c.Clock.Now().Add(heartbeatEvery).Unix()) // the enrolment has just told it all
	if err := s.c.Store.PutApp(r); err != nil {
		return nil, err
	}
	if !s.add(p) {
		return nil, fmt.Errorf("the service returned a device ID that exists: %q", r.DeviceID)
	}
	return p, nil
}

// Unenrol removes an App, first at the service, which revokes its certificate, and
// then here. If the service no longer knows it, it is removed here.
// person.ErrUnknown if there is no such App.
func (s *Apps) Unenrol(ctx context.Context, deviceID string) error {
	p, err := s.find(deviceID)
	if err != nil {
		return err
	}
	err = s.retry(ctx, func() error { return p.call(ctx, http.MethodDelete, "device", nil, nil) })
	if err != nil && !refused(err, "unauthorised") {
		return fmt.Errorf("removing App %q: %w", deviceID, err)
	}
	return s.drop(p)
}

// Forget removes an App here, like a phone that is lost: the service is not told.
// person.ErrUnknown if there is no such App.
func (s *Apps) Forget(deviceID string) error {
	p, err := s.find(deviceID)
	if err != nil {
		return err
	}
	return s.drop(p)
}

// drop removes an App, and its person with the last one.
func (s *Apps) drop(p *app) error {
	s.mu.Lock()
	delete(s.apps, p.record.DeviceID)
	others := false
	for _, o := range s.apps {
		others = others || o.person == p.person
	}
	if !others {
		delete(s.persons, p.record.MSISDN)
	}
	s.mu.Unlock()
	p.halt()
	return s.c.Store.RemoveApp(p.record.DeviceID)
}

// passcode caches P of the passcode that was entered last. A real App wipes it after
// each signature; this one keeps it, because deriving it is most of the cost of a
// simulated signature.
type passcode struct {
	mu      sync.Mutex
	entered string
	p       []byte
}

func (c *passcode) remember(entered string, p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entered, c.p = entered, p
}

func (c *passcode) derive(entered string, r *Record) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.p != nil && c.entered == entered {
		return c.p, nil
	}
	p, err := stretch(entered, r.Salt, r.Rounds)
	if err == nil {
		c.entered, c.p = entered, p
	}
	return p, err
}

type unlockRequest struct {
	Verifier octets `json:"verifier"`
	ID       string `json:"id"`
}

type unlockAnswer struct {
	Share octets `json:"share"`
}

// open implements vault: it asks the service for its share.
func (p *app) open(transID, passcode string) (crypto.Signer, error) {
	stretched, err := p.derive(passcode, p.record)
	if err != nil {
		return nil, err
	}
	ctx := context.Background() // the call has its own timeout, and Close waits for it
	body := unlockRequest{Verifier: verifier(p.record.Secret, stretched), ID: transID}
	var got unlockAnswer
	err = p.s.retry(ctx, func() error { return p.call(ctx, http.MethodPost, "unlock", body, &got) })
	var e *Error
	if refused(err, "passcode") && errors.As(err, &e) && e.TriesLeft > 0 {
		return nil, &PINError{TriesLeft: e.TriesLeft}
	}
	if refused(err, "passcode", "blocked") {
		p.settle(transID)
		return nil, &PINError{TriesLeft: 0}
	}
	if refused(err, "late", "unknown") { // it ended meanwhile
		return nil, person.ErrNotShown
	}
	if err != nil {
		p.log().Error("an App was not unlocked", "trans_id", transID, "err", err)
		return nil, err
	}
	key, err := unwrap(p.record.SignKey, stretched, got.Share)
	clear(got.Share)
	if err != nil {
		p.log().Error("an App was not unlocked", "trans_id", transID, "err", err)
		return nil, err
	}
	return key, nil
}

// heartbeatEvery is the interval of heartbeats.
const heartbeatEvery = 24 * time.Hour

type heartbeat struct {
	Version  string `json:"version"`
	Platform string `json:"platform"`
	Name     string `json:"name"`
}

// sendHeartbeat reports what the App is, and learns the time and whether the App
// is blocked.
func (p *app) sendHeartbeat(ctx context.Context) error {
	var got struct {
		Now     int64 `json:"now"`
		Blocked bool  `json:"blocked"`
	}
	err := p.call(ctx, http.MethodPost, "heartbeat", heartbeat{appVersion, appPlatform, p.record.Name}, &got)
	if err != nil {
		return err
	}
	if got.Now != 0 {
		p.adjustClock(time.UnixMilli(got.Now))
	}
	if got.Blocked {
		p.device.Block()
	}
	return nil
}
