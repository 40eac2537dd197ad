package phone

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
	"github.com/signum-mssp/signum/internal/mssp"
)

const (
	// callers bounds the persons who act, and the answers under way, at once.
	// Each waits for the service.
	callers = 256
	// dialling bounds the connections that are made at once.
	dialling = 64
)

// AppPath is where the protocol is below a web address.
const AppPath = "/app/v1"

// AppsConfig is what Apps need. Base alone is enough: real time, no delay, no
// log, storage in memory.
type AppsConfig struct {
	Base       string       // of the protocol: <web address>/app/v1; plain http on loopback only
	HTTPClient *http.Client // shared by all; nil: one of its own
	Clock      mssp.Clock   // of the phones; wrong or right
	Logger     *slog.Logger
	Store      AppStore
	Delay      time.Duration // from the arrival of a request to the answer; 0: at once
	// Passcode is what the person knows, for Apps that are in the store when
	// NewApps is called, since no App keeps its passcode. nil: DefaultPIN.
	Passcode func(AppInfo) string
	// Plain derives the key of a passcode in one round. It is for load tests,
	// with thousands of Apps in a process: nothing else differs, on the wire and in
	// the storage, but who has the storage and a share finds the passcode at once.
	Plain bool
	// Observe, if not nil, is called for each event, one at a time, in order. It
	// may call the phones, but not what waits for the service: Enrol, Unenrol,
	// Open, EnterPIN.
	Observe func(Event)
}

// AppInfo is an App that is enrolled.
type AppInfo struct {
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
	c      AppsConfig
	base   *url.URL
	http   *http.Client
	seen   *observer
	hands  *pool         // act: unlock and sign
	radio  *pool         // send answers
	dials  chan struct{} // one for each connection that is being made
	open   atomic.Int64  // inboxes
	closed chan struct{}

	mu      sync.Mutex
	apps    map[string]*app     // by device ID
	persons map[string]*handset // by MSISDN
	running *run                // nil: Run does not
}

// run is one call of Run.
type run struct {
	ctx     context.Context
	inboxes sync.WaitGroup
}

// app is one of them.
type app struct {
	s      *Apps
	record *AppRecord
	auth   *ecdsa.PrivateKey
	device *Device
	person *handset
	skew   atomic.Int64  // of the service's time to the phone's, as a time.Duration
	due    atomic.Int64  // of the next heartbeat, Unix seconds
	look   chan struct{} // the behaviour changed, or the App was removed

	inbox
	passcode
}

// NewApps makes Apps of what is in the store.
func NewApps(c AppsConfig) (*Apps, error) {
	base, err := checkBase(c.Base)
	if err != nil {
		return nil, err
	}
	d := Config{Clock: c.Clock, Logger: c.Logger, Delay: c.Delay}.withDefaults()
	c.Clock, c.Logger, c.Delay = d.Clock, d.Logger, d.Delay
	if c.Store == nil {
		c.Store = new(MemoryApps)
	}
	if c.Passcode == nil {
		c.Passcode = func(AppInfo) string { return DefaultPIN }
	}
	if c.HTTPClient == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConns, t.MaxIdleConnsPerHost = callers, callers
		c.HTTPClient = &http.Client{Transport: t}
	}
	s := &Apps{
		c: c, base: base, http: c.HTTPClient, seen: &observer{f: c.Observe},
		hands: newPool(callers), radio: newPool(callers), dials: make(chan struct{}, dialling), closed: make(chan struct{}),
		apps: make(map[string]*app), persons: make(map[string]*handset),
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

func (r *AppRecord) info() AppInfo {
	return AppInfo{DeviceID: r.DeviceID, MSISDN: r.MSISDN, Serial: r.Serial, Name: r.Name, Certificates: r.Certificates}
}

// newApp is an App with this storage, of a person who knows the passcode.
func (s *Apps) newApp(r *AppRecord, passcode string) (*app, error) {
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
	spec := DeviceSpec{ID: r.DeviceID, MSISDN: r.MSISDN, PIN: passcode}
	p.device, err = newVaultDevice(spec, Config{Clock: s.c.Clock, Logger: s.c.Logger}, s.seen, ec, p)
	return p, err
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
		h = &handset{delay: s.c.Delay, hands: s.hands, does: make(map[signum.Method]Behaviour)}
		s.persons[r.MSISDN] = h
	}
	p.person, p.device.where = h, &h.where
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
	s.hands.close()
	s.radio.close()
	s.http.CloseIdleConnections()
}

// Connected is how many inboxes are open.
func (s *Apps) Connected() int { return int(s.open.Load()) }

// List are all Apps, in no order.
func (s *Apps) List() []AppInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]AppInfo, 0, len(s.apps))
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
		return nil, fmt.Errorf("device %q: %w", deviceID, ErrUnknown)
	}
	return p, nil
}

// Device finds the device of an App; ErrUnknown if there is none.
func (s *Apps) Device(id string) (*Device, error) {
	p, err := s.find(id)
	if err != nil {
		return nil, err
	}
	return p.device, nil
}

// Behave sets what a subscriber does with the requests that arrive from now on
// by their Apps. ErrUnknown if they have none.
func (s *Apps) Behave(msisdn string, b Behaviour) error {
	if err := b.check(); err != nil {
		return err
	}
	return s.each(msisdn, func(p *app) {
		p.person.behave(b, []signum.Method{signum.App})
		p.changed()
	})
}

// Place sets where a subscriber is from now on. ErrUnknown if they have no App.
func (s *Apps) Place(msisdn string, at Place) error {
	if err := at.check(); err != nil {
		return fmt.Errorf("place of %s: %w", signum.MaskMSISDN(msisdn), err)
	}
	return s.each(msisdn, func(p *app) { p.person.where.move(at) })
}

// each calls f for the Apps of a subscriber, without the lock.
func (s *Apps) each(msisdn string, f func(*app)) error {
	var theirs []*app
	s.mu.Lock()
	for _, p := range s.apps {
		if p.record.MSISDN == msisdn {
			theirs = append(theirs, p)
		}
	}
	s.mu.Unlock()
	if len(theirs) == 0 {
		return fmt.Errorf("%s: %w", signum.MaskMSISDN(msisdn), ErrUnknown)
	}
	for _, p := range theirs {
		f(p)
	}
	return nil
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
