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

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
)

const (
	// maxActive bounds the persons who act at the same time, and the answers being
	// sent. Each of them waits for the service.
	maxActive = 256
	// maxDialling bounds the connections being opened at the same time.
	maxDialling = 64
)

// Path is the path of the protocol below the web address of a service.
const Path = "/app/v2"

// Config configures Apps. Only Base is required.
type Config struct {
	Base       string       // base address of the protocol: <web address>/app/v2; http on loopback only
	HTTPClient *http.Client // shared by all Apps; nil: a new one
	Clock      mssp.Clock   // of the phones, possibly wrong; nil: the system clock
	Logger     *slog.Logger
	Store      Store         // nil: a new Memory
	Delay      time.Duration // from the arrival of a request to the person's reaction; 0: none
	// Passcode returns the passcode of an App that is in the store when New is
	// called, because Apps do not store it. nil: person.DefaultPIN for all.
	Passcode func(Info) string
	// FastKDF derives the key of a passcode in one round, for load tests with
	// thousands of Apps in a process. Protocol and storage are the same otherwise,
	// but an attacker with the storage and a share finds the passcode at once.
	FastKDF bool
	// Idle is after how long without news, and with nothing on the screen, an App closes its
	// inbox and sleeps until Wake is called, as phones do that get pushes. 0: inboxes stay open.
	Idle time.Duration
	// Decide, if not nil, is asked for each request that arrives. It must not call Apps.
	Decide person.Decider
	// Observe, if not nil, is called for each event, in order and one at a time. It
	// may call Apps, except for methods that wait for the service: Enrol, Unenrol,
	// Open and EnterPIN.
	Observe func(person.Event)
}

// Info describes an enrolled App.
type Info struct {
	DeviceID     string
	MSISDN       string // E.164 with leading +
	Serial       string // serial number of the account at the enrolment
	Name         string
	Certificates [][]byte // DER: of the App and the CA, at the enrolment
	// RecoveryCode is set by Enrol if the service made a new one. It is not stored.
	RecoveryCode string
}

// Apps are software Apps and the persons who hold them. It is safe for
// concurrent use.
//
// The protocol has no faults: an App that cannot or must not sign declines, which
// the service turns into 401. This holds for the actions Blocked and NoKey too.
// WrongPIN sends wrong verifiers until the service blocks the App: 402.
// Unreachable keeps the inbox closed; requests shown before are still answered. A
// receipt waits while a signature request is on the screen. Choose tells a person
// which verification code is right.
type Apps struct {
	c        Config
	base     *url.URL
	http     *http.Client
	observer *person.Observer
	acting   *person.Pool  // persons who unlock and sign
	sending  *person.Pool  // answers and heartbeats
	dialling chan struct{} // a slot per connection being opened
	open     atomic.Int64  // number of open inboxes
	closed   chan struct{}

	mu      sync.Mutex
	apps    map[string]*app           // by device ID
	persons map[string]*person.Person // by MSISDN
	running *run                      // nil unless Run is active
}

// run is one call of Run.
type run struct {
	ctx     context.Context
	inboxes sync.WaitGroup
}

// app is one App.
type app struct {
	s       *Apps
	record  *Record
	auth    *ecdsa.PrivateKey
	device  *Device
	person  *person.Person
	skew    atomic.Int64  // service's time minus phone's time, a time.Duration
	due     atomic.Int64  // time of the next heartbeat, Unix seconds
	changes chan struct{} // signals a change of the person's behaviour
	others  sync.Map      // requestKey: what the person does instead, see Act
	// awake means that the inbox is open or being opened, wanted that it must be opened again
	// if it is closed. Both are guarded by the lock of Apps.
	awake, wanted bool

	inbox
	passcode
}

// New loads the Apps in the store.
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
		t.MaxIdleConns, t.MaxIdleConnsPerHost = maxActive, maxActive
		c.HTTPClient = &http.Client{Transport: t}
	}
	s := &Apps{
		c: c, base: base, http: c.HTTPClient, observer: person.NewObserver(c.Observe),
		acting: person.NewPool(c.Logger, maxActive), sending: person.NewPool(c.Logger, maxActive), dialling: make(chan struct{}, maxDialling), closed: make(chan struct{}),
		apps: make(map[string]*app), persons: make(map[string]*person.Person),
	}
	ids, err := c.Store.Apps()
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if err := s.restore(id); err != nil {
			// The others must start. The record stays as it is, for somebody to look at.
			c.Logger.Error("App not started", "device", id, "err", err)
		}
	}
	return s, nil
}

// restore makes an App from its stored record.
func (s *Apps) restore(id string) error {
	r, err := s.c.Store.App(id)
	if err != nil {
		return err
	}
	p, err := s.newApp(r, s.c.Passcode(r.info()))
	if err != nil {
		return err
	}
	s.add(p)
	return nil
}

// checkBase requires TLS except on loopback: a proof that is read on the way could
// be used once by the reader.
func checkBase(base string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSuffix(base, "/"))
	if err != nil {
		return nil, fmt.Errorf("base of the App protocol: %w", err)
	}
	host := u.Hostname()
	loopback := host == "localhost" || net.ParseIP(host).IsLoopback()
	if host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !loopback) {
		return nil, fmt.Errorf("base of the App protocol %q: it must be an https address, or http on loopback", u.Redacted())
	}
	u.Path, u.RawPath = u.Path+"/", ""
	return u, nil
}

func (r *Record) info() Info {
	return Info{DeviceID: r.DeviceID, MSISDN: r.MSISDN, Serial: r.Serial, Name: r.Name, Certificates: r.Certificates}
}

// newApp makes an App from its record. The person will know this passcode.
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
	p := &app{s: s, record: r, auth: auth, changes: make(chan struct{}, 1)}
	if err := checkPasscode(passcode); err != nil {
		return nil, err
	}
	p.device = &Device{
		id: r.DeviceID, msisdn: r.MSISDN, clock: s.c.Clock, log: s.c.Logger, observer: s.observer, vault: p, public: ec,
		pin: passcode, tries: MaxTries,
	}
	return p, nil
}

// add adds an App and gives it to its person. It returns false if there is one
// with this device ID.
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
	if s.running != nil && s.c.Idle == 0 {
		s.start(p)
	}
	return true
}

// start opens the inbox of an App. mu must be held, and Run active.
func (s *Apps) start(p *app) {
	ctx, stop := context.WithCancel(s.running.ctx)
	p.setStop(stop)
	p.awake, p.wanted = true, false
	s.running.inboxes.Go(func() {
		defer event.Rescue(s.c.Logger, "inbox of a software App", stop)
		defer stop()
		for {
			p.keepInbox(ctx)
			if s.sleeps(p) || ctx.Err() != nil {
				return
			}
		}
	})
}

// sleeps reports whether an App whose inbox is closed sleeps now; it does not if somebody
// woke it meanwhile.
func (s *Apps) sleeps(p *app) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.awake, p.wanted = p.wanted, false
	return !p.awake
}

// Wake makes the Apps of a subscriber open their inboxes, as a push does.
func (s *Apps) Wake(msisdn string) {
	if s.c.Idle == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.apps {
		switch {
		case p.record.MSISDN != msisdn:
		case p.awake || s.running == nil:
			p.wanted = true
		default:
			s.start(p)
		}
	}
}

// Run keeps the inboxes of all Apps open, including Apps that are enrolled in the
// meantime, until ctx ends. It may be called again afterwards, but not
// concurrently.
func (s *Apps) Run(ctx context.Context) error {
	s.mu.Lock()
	if s.running != nil {
		s.mu.Unlock()
		return errors.New("the Apps are already running")
	}
	r := &run{ctx: ctx}
	s.running = r
	for _, p := range s.apps {
		if s.c.Idle == 0 || p.wanted {
			s.start(p)
		}
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

// Close ends Run and waits for calls in progress, each of which takes up to 10 s
// and is not repeated. Persons who have not acted yet never will.
func (s *Apps) Close() {
	s.mu.Lock()
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	s.mu.Unlock()
	s.acting.Close()
	s.sending.Close()
	s.http.CloseIdleConnections()
}

// Connected returns the number of open inboxes.
func (s *Apps) Connected() int { return int(s.open.Load()) }

// List returns all Apps, in no particular order.
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

// Device returns the device of an App; person.ErrUnknown if there is none.
func (s *Apps) Device(id string) (*Device, error) {
	p, err := s.find(id)
	if err != nil {
		return nil, err
	}
	return p.device, nil
}
