package web

import (
	"context"
	"embed"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

//go:embed handset
var handsetFiles embed.FS

// HandsetInfo is a handset with a simulated SIM.
type HandsetInfo struct {
	MSISDN string // E.164 with leading +
	ICCID  string // of the card
	Name   string // of the person, or empty
}

// DialogueKind is what the card has on the screen.
type DialogueKind string

// The kinds. Another kind is idle to the page, which finds flash messages among
// the messages.
const (
	DialogueIdle  DialogueKind = "idle"  // nothing
	DialogueText  DialogueKind = "text"  // DISPLAY TEXT
	DialogueInput DialogueKind = "input" // GET INPUT
)

// Dialogue is a proactive command of the card (TS 102 223) that waits for the
// person.
type Dialogue struct {
	ID     uint64 // another for each command of one handset
	Kind   DialogueKind
	Text   string // exactly as the card gave it
	Hidden bool   // the input is not shown
	Digits bool   // the input is of 0 to 9 only
	// MinLen and MaxLen are of the input, in characters.
	MinLen, MaxLen int
	// Until is when the handset answers that nobody pressed a key; zero: never.
	Since, Until time.Time
}

// Key is what the person answers a dialogue with; digits, and deleting them, are
// the page's affair.
type Key string

// The keys.
const (
	KeyOK     Key = "ok"
	KeyCancel Key = "cancel"
	KeyBack   Key = "back" // to the step before in the card's dialogue
)

// TextMessage is one that a handset received.
type TextMessage struct {
	Text  string
	Flash bool      // class 0: shown at once
	Time  time.Time // of its arrival; the page takes two of the same microsecond for one
}

// What Handsets answer. They may wrap these.
var (
	ErrHandsetUnknown = errors.New("there is no handset of this number")
	ErrHandsetStale   = errors.New("the dialogue is not on the screen any more")
	ErrHandsetInput   = errors.New("the dialogue does not take this input")
)

// Handsets are the simulated handsets. They are safe for concurrent use, and
// call nothing of this package.
type Handsets interface {
	// List is in the order that people shall see.
	List() []HandsetInfo
	// Dialogue is what is on the screen now. ErrHandsetUnknown.
	Dialogue(msisdn string) (Dialogue, error)
	// Press answers the dialogue with this ID; input goes with KeyOK to a
	// DialogueInput. ErrHandsetUnknown; ErrHandsetStale if another dialogue or
	// none is on the screen; ErrHandsetInput, and then the dialogue stays.
	Press(msisdn string, id uint64, key Key, input string) error
	// Watch signals each change of the dialogue and of the messages; signals that
	// are not taken become one. The channel is closed when the handset is gone.
	// ErrHandsetUnknown.
	Watch(msisdn string) (changes <-chan struct{}, stop func(), err error)
	// Messages are in the order of their arrival, flash messages included.
	Messages(msisdn string) []TextMessage
	// TakeOver says that a person at the page answers, or no more: then the
	// person that the handset simulates does. ErrHandsetUnknown.
	TakeOver(msisdn string, on bool) error
}

// HandsetConfig is what a Handset is made of. Handsets and Origin are needed.
type HandsetConfig struct {
	Handsets Handsets
	Origin   func() string // where people find the page, for example http://localhost:8444
	Logger   *slog.Logger
	// Release is how long after its last page has left a handset is given back,
	// so that a reload gives nothing back. Zero: 5 s.
	Release time.Duration
}

const (
	handsetRelease  = 5 * time.Second
	handsetPages    = 64 // that are open at a time
	handsetMessages = 50 // that a page is told of, the newest
)

// Handset is the page of the handsets with a simulated SIM: /phone/sim. Whoever
// reaches it can read the texts and press the keys; it is for a sandbox.
type Handset struct {
	HandsetConfig
	files map[string]file

	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup // the open pages

	mu     sync.Mutex
	held   map[string]*heldHandset // by number
	pages  int
	closed bool
}

// heldHandset is one that a page is open of, or was a moment ago.
type heldHandset struct {
	pages   map[*handsetPage]struct{}
	byHand  bool
	release *time.Timer // nil while a page is open
}

// NewHandset makes the page. Close ends it.
func NewHandset(c HandsetConfig) *Handset {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Release == 0 {
		c.Release = handsetRelease
	}
	h := &Handset{HandsetConfig: c, files: make(map[string]file), held: make(map[string]*heldHandset)}
	for name, f := range readFiles(handsetFiles, "handset") {
		h.files[name[len("/handset/"):]] = f
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

// Close ends the open pages and gives the handsets back.
func (h *Handset) Close() error {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.cancel()
	h.work.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	for msisdn, held := range h.held {
		held.release.Stop()
		h.giveBack(msisdn, held)
	}
	return nil
}

// join counts a page in. The first page of a handset decides who answers.
func (h *Handset) join(msisdn string, p *handsetPage, byHand bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || h.pages >= handsetPages {
		return false
	}
	held := h.held[msisdn]
	if held == nil {
		held = &heldHandset{pages: make(map[*handsetPage]struct{})}
		h.held[msisdn] = held
		h.takeOver(msisdn, held, byHand)
	}
	if held.release != nil {
		held.release.Stop()
		held.release = nil
	}
	held.pages[p] = struct{}{}
	h.pages++
	h.work.Add(1)
	return true
}

// leave is the opposite of join.
func (h *Handset) leave(msisdn string, p *handsetPage) {
	defer h.work.Done()
	h.mu.Lock()
	defer h.mu.Unlock()
	held := h.held[msisdn]
	delete(held.pages, p)
	h.pages--
	if len(held.pages) > 0 {
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(h.Release, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if held.release == timer { // not if a page came, or Close was first
			h.giveBack(msisdn, held)
		}
	})
	held.release = timer
}

// giveBack forgets a handset. The caller holds the lock.
func (h *Handset) giveBack(msisdn string, held *heldHandset) {
	held.release = nil
	delete(h.held, msisdn)
	h.takeOver(msisdn, held, false)
}

// hand is the switch of a page.
func (h *Handset) hand(msisdn string, on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	held := h.held[msisdn]
	if held == nil || len(held.pages) == 0 {
		return // its page has just left
	}
	h.takeOver(msisdn, held, on)
	for p := range held.pages {
		p.wake()
	}
}

// takeOver tells the handset who answers, if that changes. The caller holds the
// lock, so that what is told last is what counts.
func (h *Handset) takeOver(msisdn string, held *heldHandset, on bool) {
	if held.byHand == on {
		return
	}
	if err := h.Handsets.TakeOver(msisdn, on); err != nil {
		if !errors.Is(err, ErrHandsetUnknown) { // it is gone, and with it what to give back
			h.Logger.Error("handset page: take over", "msisdn", masked(msisdn), "on", on, "error", err)
		}
		return
	}
	held.byHand = on
}

func (h *Handset) byHand(msisdn string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	held := h.held[msisdn]
	return held != nil && held.byHand
}

// wakeAll has the pages of a handset be told its state.
func (h *Handset) wakeAll(msisdn string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if held := h.held[msisdn]; held != nil {
		for p := range held.pages {
			p.wake()
		}
	}
}

// Handler serves /phone/sim and everything under it.
func (h *Handset) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /phone/sim", h.page)
	mux.HandleFunc("GET /phone/sim/{$}", func(w http.ResponseWriter, r *http.Request) {
		to := *r.URL
		to.Path = "/phone/sim"
		http.Redirect(w, r, to.RequestURI(), http.StatusPermanentRedirect)
	})
	mux.HandleFunc("GET /phone/sim/list", h.list)
	mux.HandleFunc("GET /phone/sim/live", h.live)
	mux.HandleFunc("POST /phone/sim/press", h.press)
	mux.HandleFunc("GET /phone/sim/{name}", h.asset)
	return secure(h.own(mux))
}
