package handsetpage

import (
	"context"
	"embed"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/web"
)

//go:embed static
var files embed.FS

// Config is what a Page is made of. Handsets and Origin are needed.
type Config struct {
	Handsets Handsets
	Origin   func() string // where people find the page, for example http://localhost:8444
	Logger   *slog.Logger
	// ServiceName is what users know the service by.
	ServiceName string
	// Release is how long after its last page has left a handset is given back,
	// so that a reload gives nothing back. Zero: 5 s.
	Release time.Duration
}

const (
	defaultRelease = 5 * time.Second
	maxPages       = 64 // that are open at a time
	maxMessages    = 50 // that a page is told of, the newest
)

// Page is the page of the handsets with a simulated SIM: /phone/sim. Whoever
// reaches it can read the texts and press the keys; it is for a sandbox.
type Page struct {
	Config
	files map[string]web.File

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
	pages   map[*viewer]struct{}
	byHand  bool
	release *time.Timer // nil while a page is open
}

// New makes the page. Close ends it.
func New(c Config) *Page {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Release == 0 {
		c.Release = defaultRelease
	}
	h := &Page{Config: c, files: web.ReadFiles(files, "static", c.ServiceName), held: make(map[string]*heldHandset)}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

// Close ends the open pages and gives the handsets back.
func (h *Page) Close() error {
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
func (h *Page) join(msisdn string, p *viewer, byHand bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || h.pages >= maxPages {
		return false
	}
	held := h.held[msisdn]
	if held == nil {
		held = &heldHandset{pages: make(map[*viewer]struct{})}
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
func (h *Page) leave(msisdn string, p *viewer) {
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
		defer event.Rescue(h.Logger, "handset page")
		h.mu.Lock()
		defer h.mu.Unlock()
		if held.release == timer { // not if a page came, or Close was first
			h.giveBack(msisdn, held)
		}
	})
	held.release = timer
}

// giveBack forgets a handset. The caller holds the lock.
func (h *Page) giveBack(msisdn string, held *heldHandset) {
	held.release = nil
	delete(h.held, msisdn)
	h.takeOver(msisdn, held, false)
}

// hand is the switch of a page.
func (h *Page) hand(msisdn string, on bool) {
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
func (h *Page) takeOver(msisdn string, held *heldHandset, on bool) {
	if held.byHand == on {
		return
	}
	if err := h.Handsets.TakeOver(msisdn, on); err != nil {
		if !errors.Is(err, ErrUnknown) { // it is gone, and with it what to give back
			h.Logger.Error("handset page: take over", "msisdn", masked(msisdn), "on", on, "error", err)
		}
		return
	}
	held.byHand = on
}

func (h *Page) byHand(msisdn string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	held := h.held[msisdn]
	return held != nil && held.byHand
}

// wakeAll has the pages of a handset be told its state.
func (h *Page) wakeAll(msisdn string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if held := h.held[msisdn]; held != nil {
		for p := range held.pages {
			p.wake()
		}
	}
}

// Handler serves /phone/sim and everything under it.
func (h *Page) Handler() http.Handler {
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
	return web.Secure(h.own(mux))
}
