package softapp

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
)

const (
	// callers bounds the persons who act, and the answers under way, at once.
	// Each waits for the service.
	callers = 256
	// dialling bounds the connections that are made at once.
	dialling = 64
)

// Path is where the protocol is below a web address.
const Path = "/app/v1"

// Config is what Apps need. Base alone is enough: real time, no delay, no
// log, storage in memory.
type Config struct {
	Base       string       // of the protocol: <web address>/app/v1; plain http on loopback only
	HTTPClient *http.Client // shared by all; nil: one of its own
	Clock      mssp.Clock   // of the phones; wrong or right
	Logger     *slog.Logger
	Store      Store
	Delay      time.Duration // from the arrival of a request to the answer; 0: at once
	// Passcode is what the person knows, for Apps that are in the store when
	// New is called, since no App keeps its passcode. nil: person.DefaultPIN.
	Passcode func(Info) string
	// Plain derives the key of a passcode in one round. It is for load tests,
	// with thousands of Apps in a process: nothing else differs, on the wire and in
	// the storage, but who has the storage and a share finds the passcode at once.
	Plain bool
	// Observe, if not nil, is called for each event, one at a time, in order. It
	// may call the phones, but not what waits for the service: Enrol, Unenrol,
	// Open, EnterPIN.
	Observe func(person.Event)
}

// Info is an App that is enrolled.
type Info struct {
	DeviceID     string
	MSISDN       string // E.164 with leading +
	Serial       string // of the account, at the enrolment
	Name         string
	Certificates [][]byte // DER: the App's own and the CA's, at the enrolment
	// RecoveryCode is there after the enrolment that made it, and kept nowhere.
	RecoveryCode string
}

// Apps are software Apps that speak the App protocol to a service, and the
// persons who hold them. They are safe for concurrent use.
//
// A person behaves as on a Network, but the protocol has fewer answers than a
// Channel: an App that is asked and cannot or must not sign declines, which is
// 401 and not 402, 404 or 900. So do Blocked and NoKey; WrongPIN sends wrong
// verifiers until the service says that the App is blocked, which is 402.
// Unreachable closes the inbox while it is set; what was shown before is still
// answered. A receipt waits while the App asks for a signature. A person who
// knows the right code, of those to choose from, is told it with Choose.
type Apps struct {
	c      Config
	base   *url.URL
	http   *http.Client
	seen   *person.Observer
	hands  *person.Pool  // act: unlock and sign
	radio  *person.Pool  // send answers
	dials  chan struct{} // one for each connection that is being made
	open   atomic.Int64  // inboxes
	closed chan struct{}

	mu      sync.Mutex
	apps    map[string]*app           // by device ID
	persons map[string]*person.Person // by MSISDN
	running *run                      // nil: Run does not
}

// run is one call of Run.
type run struct {
	ctx     context.Context
	inboxes sync.WaitGroup
}

// app is one of them.
type app struct {
	s      *Apps
	record *Record
	auth   *ecdsa.PrivateKey
	device *Device
	person *person.Person
	skew   atomic.Int64  // of the service's time to the phone's, as a time.Duration
	due    atomic.Int64  // of the next heartbeat, Unix seconds
	look   chan struct{} // the behaviour changed, or the App was removed

	inbox
	passcode
}

// New makes Apps of what is in the store.
func New(c Config) (*Apps, error) {
	base, err := checkBase(c.Base)
	if err != nil {
		return nil, err
	}
	if c.Clock == nil {
		c.Clock = mssp.SystemClock{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Store == nil {
		c.Store = new(Memory)
	}
	if c.Passcode == nil {
		c.Passcode = func(Info) string { return person.DefaultPIN }
	}
	if c.HTTPClient == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConns, t.MaxIdleConnsPerHost = callers, callers
		c.HTTPClient = &http.Client{Transport: t}
	}
	s := &Apps{
		c: c, base: base, http: c.HTTPClient, seen: person.NewObserver(c.Observe),
		hands: person.NewPool(c.Logger, callers), radio: person.NewPool(c.Logger, callers), dials: make(chan struct{}, dialling), closed: make(chan struct{}),
		apps: make(map[string]*app), persons: make(map[string]*person.Person),
	}
	ids, err := c.Store.Apps()
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		r, err := c.Store.App(id)
		if err != nil {
			return nil, err
		}
		p, err := s.newApp(r, c.Passcode(r.info()))
		if err != nil {
			return nil, fmt.Errorf("App %q: %w", id, err)
		}
		s.add(p)
	}
	return s, nil
}

// checkBase keeps proofs, which are of one call but not of one reader, off
// networks that anybody reads.
func checkBase(base string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSuffix(base, "/"))
	if err != nil {
		return nil, fmt.Errorf("base of the App protocol: %w", err)
	}
	host := u.Hostname()
	loopback := host == "localhost" || net.ParseIP(host).IsLoopback()
	if host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !loopback) {
		return nil, fmt.Errorf("base of the App protocol %q: an https address is wanted, or http on loopback", u.Redacted())
	}
	u.Path, u.RawPath = u.Path+"/", ""
	return u, nil
}

func (r *Record) info() Info {
	return Info{DeviceID: r.DeviceID, MSISDN: r.MSISDN, Serial: r.Serial, Name: r.Name, Certificates: r.Certificates}
}

// newApp is an App with this storage, of a person who knows the passcode.
func (s *Apps) newApp(r *Record, passcode string) (*app, error) {
	auth, err := parseECKey(r.AuthKey)
	if err != nil {
		return nil, fmt.Errorf("authentication key: %w", err)
	}
	public, err := x509.ParsePKIXPublicKey(r.Public)
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	ec, ok := public.(*ecdsa.PublicKey)
	if !ok || r.Rounds < 1 {
		return nil, errors.New("the record is incomplete")
	}
	p := &app{s: s, record: r, auth: auth, look: make(chan struct{}, 1)}
	if err := checkPasscode(passcode); err != nil {
		return nil, err
	}
	p.device = &Device{
		id: r.DeviceID, msisdn: r.MSISDN, clock: s.c.Clock, log: s.c.Logger, seen: s.seen, vault: p, public: ec,
		pin: passcode, tries: MaxTries,
	}
	return p, nil
}

// add makes an App one of them, in the hands of its person; false if it is
// one already.
func (s *Apps) add(p *app) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := p.record
	if s.apps[r.DeviceID] != nil {
		return false
	}
	h, ok := s.persons[r.MSISDN]
	if !ok {
		h = person.New(s.c.Delay)
		s.persons[r.MSISDN] = h
	}
	p.person, p.device.person = h, h
	s.apps[r.DeviceID] = p
	if s.running != nil {
		s.start(p)
	}
	return true
}

// start is called with the lock held, while Run runs.
func (s *Apps) start(p *app) {
	ctx, stop := context.WithCancel(s.running.ctx)
	p.setStop(stop)
	s.running.inboxes.Go(func() {
		defer event.Rescue(s.c.Logger, "inbox of a software App", stop)
		defer stop()
		p.attendInbox(ctx)
	})
}

// Run keeps the inbox of every App open, those enrolled meanwhile too, until
// the context ends. It can be called again then, but not twice at a time.
func (s *Apps) Run(ctx context.Context) error {
	s.mu.Lock()
	if s.running != nil {
		s.mu.Unlock()
		return errors.New("the Apps run already")
	}
	r := &run{ctx: ctx}
	s.running = r
	for _, p := range s.apps {
		s.start(p)
	}
	s.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-s.closed:
	}
	s.mu.Lock()
	s.running = nil
	for _, p := range s.apps {
		p.halt()
	}
	s.mu.Unlock()
	r.inboxes.Wait()
	return nil
}

// Close ends Run, and finishes what is being unlocked, signed and sent, which
// takes at most as long as the calls under way: each has 10 s, and none is
// repeated. Who has not acted yet never will.
func (s *Apps) Close() {
	s.mu.Lock()
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	s.mu.Unlock()
	s.hands.Close()
	s.radio.Close()
	s.http.CloseIdleConnections()
}

// Connected is how many inboxes are open.
func (s *Apps) Connected() int { return int(s.open.Load()) }

// List are all Apps, in no order.
func (s *Apps) List() []Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Info, 0, len(s.apps))
	for _, p := range s.apps {
		list = append(list, p.record.info())
	}
	return list
}

func (s *Apps) find(deviceID string) (*app, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.apps[deviceID]
	if !ok {
		return nil, fmt.Errorf("device %q: %w", deviceID, person.ErrUnknown)
	}
	return p, nil
}

// Device finds the device of an App; person.ErrUnknown if there is none.
func (s *Apps) Device(id string) (*Device, error) {
	p, err := s.find(id)
	if err != nil {
		return nil, err
	}
	return p.device, nil
}

// Behave sets what a subscriber does with the requests that arrive from now on
// by their Apps. person.ErrUnknown if they have none.
func (s *Apps) Behave(msisdn string, b person.Behaviour) error {
	if err := b.Check(); err != nil {
		return err
	}
	theirs, err := s.of(msisdn)
	if err != nil {
		return err
	}
	if err := theirs[0].person.Behave(b); err != nil {
		return err
	}
	for _, p := range theirs {
		p.changed()
	}
	return nil
}

// Place sets where a subscriber is from now on. person.ErrUnknown if they
// have no App.
func (s *Apps) Place(msisdn string, at person.Place) error {
	theirs, err := s.of(msisdn)
	if err != nil {
		return err
	}
	if err := theirs[0].person.MoveTo(at); err != nil {
		return fmt.Errorf("place of %s: %w", signum.MaskMSISDN(msisdn), err)
	}
	return nil
}

// of returns the Apps of a subscriber, which one person holds.
func (s *Apps) of(msisdn string) ([]*app, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var theirs []*app
	for _, p := range s.apps {
		if p.record.MSISDN == msisdn {
			theirs = append(theirs, p)
		}
	}
	if len(theirs) == 0 {
		return nil, fmt.Errorf("%s: %w", signum.MaskMSISDN(msisdn), person.ErrUnknown)
	}
	return theirs, nil
}

// Choose sets how the person at an App chooses among verification codes, as
// Device.Choose.
func (s *Apps) Choose(deviceID string, f func(choices []string) string) error {
	d, err := s.Device(deviceID)
	if err != nil {
		return err
	}
	d.Choose(f)
	return nil
}

// EnterPIN is a person at the App by hand, for requests to a Silent one. It is
// Device.EnterPIN, and the answer goes out.
func (s *Apps) EnterPIN(deviceID, transID, pin string) error {
	return s.byHand(deviceID, func(d *Device) (mssp.DeviceAnswer, error) { return d.EnterPIN(transID, pin) })
}

// Acknowledge is Device.Acknowledge by hand.
func (s *Apps) Acknowledge(deviceID, transID string) error {
	return s.byHand(deviceID, func(d *Device) (mssp.DeviceAnswer, error) { return d.Acknowledge(transID) })
}

// TimeOut is Device.TimeOut by hand.
func (s *Apps) TimeOut(deviceID, transID string) error {
	return s.byHand(deviceID, func(d *Device) (mssp.DeviceAnswer, error) { return d.TimeOut(transID) })
}

// Decline is Device.Cancel by hand, whatever is asked.
func (s *Apps) Decline(deviceID, transID string) error {
	return s.byHand(deviceID, func(d *Device) (mssp.DeviceAnswer, error) { return d.Cancel(transID) })
}

func (s *Apps) byHand(deviceID string, f func(*Device) (mssp.DeviceAnswer, error)) error {
	p, err := s.find(deviceID)
	if err != nil {
		return err
	}
	a, err := f(p.device)
	if err != nil {
		return err
	}
	p.reply(a)
	return nil
}
