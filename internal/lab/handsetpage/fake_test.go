package handsetpage

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/web/phonepage"
)

// fakeHandsets are handsets whose cards are controlled by the test.
type fakeHandsets struct {
	mu     sync.Mutex
	list   []Info
	phones map[string]*fakeHandset
	broken error  // result of every call, unless nil
	panics string // the method that panics while the lock is held
}

type fakeHandset struct {
	dialogue Dialogue
	then     func(Key, string) // reaction of the card to the answer
	presses  []string          // "ok 1234"
	messages []TextMessage
	watchers map[chan struct{}]bool
	hands    []bool // calls of TakeOver
}

const (
	simAnna = "+41791234001"
	simBeat = "+41791234002"
)

func newFakeHandsets() *fakeHandsets {
	f := &fakeHandsets{phones: make(map[string]*fakeHandset)}
	f.add(Info{MSISDN: simAnna, ICCID: "89410112345678900011", Name: "Anna"})
	f.add(Info{MSISDN: simBeat, ICCID: "89410112345678900029"})
	return f
}

func (f *fakeHandsets) add(i Info) {
	f.list = append(f.list, i)
	f.phones[i.MSISDN] = &fakeHandset{dialogue: Dialogue{Kind: DialogueIdle}, watchers: make(map[chan struct{}]bool)}
}

// remove removes a handset.
func (f *fakeHandsets) remove(msisdn string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.phones[msisdn].watchers {
		close(c)
	}
	delete(f.phones, msisdn)
	f.list = slices.DeleteFunc(f.list, func(i Info) bool { return i.MSISDN == msisdn })
}

func (f *fakeHandsets) set(msisdn string, change func(*fakeHandset)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.change(msisdn, change)
}

func (f *fakeHandsets) change(msisdn string, change func(*fakeHandset)) {
	p := f.phones[msisdn]
	change(p)
	for c := range p.watchers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// ask puts a dialogue on the screen. then, which may be nil, is called with the answer
// while the lock is held.
func (f *fakeHandsets) ask(msisdn string, d Dialogue, then func(Key, string)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next(msisdn, d, then)
}

func (f *fakeHandsets) next(msisdn string, d Dialogue, then func(Key, string)) {
	f.change(msisdn, func(p *fakeHandset) {
		d.ID = p.dialogue.ID + 1
		d.Since = time.Now()
		if d.Until.IsZero() && d.Kind != DialogueIdle {
			d.Until = d.Since.Add(time.Minute)
		}
		p.dialogue, p.then = d, then
	})
}

func (f *fakeHandsets) text(msisdn, text string, flash bool) {
	f.set(msisdn, func(p *fakeHandset) { p.messages = append(p.messages, TextMessage{text, flash, time.Now()}) })
}

// pressed returns the answers so far.
func (f *fakeHandsets) pressed(msisdn string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.phones[msisdn].presses, ", ")
}

// hands returns who answered, in order: by hand or not.
func (f *fakeHandsets) hands(msisdn string) []bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.phones[msisdn].hands)
}

// idle makes the card end the dialogue.
func (f *fakeHandsets) idle(msisdn string) func(Key, string) {
	return func(Key, string) { f.next(msisdn, Dialogue{Kind: DialogueIdle}, nil) }
}

func (f *fakeHandsets) phone(msisdn string) (*fakeHandset, error) {
	if f.broken != nil {
		return nil, f.broken
	}
	if p := f.phones[msisdn]; p != nil {
		return p, nil
	}
	return nil, ErrUnknown
}

func (f *fakeHandsets) mayPanic(method string) {
	if f.panics == method {
		panic("the fake breaks in " + method)
	}
}

func (f *fakeHandsets) panicIn(method string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.panics = method
}

var _ Handsets = (*fakeHandsets)(nil)

func (f *fakeHandsets) List() []Info {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mayPanic("List")
	return slices.Clone(f.list)
}

func (f *fakeHandsets) Dialogue(msisdn string) (Dialogue, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mayPanic("Dialogue")
	p, err := f.phone(msisdn)
	if err != nil {
		return Dialogue{}, err
	}
	return p.dialogue, nil
}

func (f *fakeHandsets) Press(msisdn string, id uint64, key Key, input string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mayPanic("Press")
	p, err := f.phone(msisdn)
	if err != nil {
		return err
	}
	d := p.dialogue
	switch n := len([]rune(input)); {
	case d.Kind == DialogueIdle || d.ID != id:
		return ErrStale
	case d.Kind == DialogueInput && key == KeyOK && (n < d.MinLen || n > d.MaxLen), d.Kind == DialogueText && input != "":
		return ErrInput
	}
	p.presses = append(p.presses, strings.TrimSpace(string(key)+" "+input))
	then := p.then
	f.next(msisdn, Dialogue{Kind: DialogueIdle}, nil)
	if then != nil {
		then(key, input)
	}
	return nil
}

func (f *fakeHandsets) Watch(msisdn string) (<-chan struct{}, func(), error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mayPanic("Watch")
	p, err := f.phone(msisdn)
	if err != nil {
		return nil, nil, err
	}
	c := make(chan struct{}, 1)
	p.watchers[c] = true
	return c, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(p.watchers, c)
	}, nil
}

func (f *fakeHandsets) Messages(msisdn string) []TextMessage {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.phones[msisdn]; p != nil {
		return slices.Clone(p.messages)
	}
	return nil
}

func (f *fakeHandsets) TakeOver(msisdn string, on bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mayPanic("TakeOver")
	p, err := f.phone(msisdn)
	if err == nil {
		p.hands = append(p.hands, on)
	}
	return err
}

const serviceName = "Test & Söhne"

// simService is a service with handsets and the phone page.
type simService struct {
	*fakeHandsets
	http   *httptest.Server
	config Config

	mu      sync.Mutex
	page    *Page
	handler http.Handler // nil: the service is down
}

func newSIMService(t *testing.T, change ...func(*Config)) *simService {
	t.Helper()
	s := &simService{fakeHandsets: newFakeHandsets()}
	s.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		handler := s.handler
		s.mu.Unlock()
		if handler == nil {
			panic(http.ErrAbortHandler)
		}
		handler.ServeHTTP(w, r)
	}))
	s.config = Config{Handsets: s, ServiceName: serviceName, Release: 100 * time.Millisecond}
	for _, f := range change {
		f(&s.config)
	}
	s.start()
	t.Cleanup(func() {
		s.stop()
		s.http.CloseClientConnections()
		s.http.Close()
	})
	return s
}

// start serves, for the first time or after a stop.
func (s *simService) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.page = New(s.config)
	mux := http.NewServeMux()
	sim, phone := s.page.Handler(), phonepage.Handler(phonepage.Config{ServiceName: serviceName})
	mux.Handle("/phone/sim", sim)
	mux.Handle("/phone/sim/", sim)
	mux.Handle("/phone", phone)
	mux.Handle("/phone/", phone)
	s.handler = mux
}

func (s *simService) stop() {
	s.mu.Lock()
	s.handler = nil
	page := s.page
	s.mu.Unlock()
	page.Close()
}
