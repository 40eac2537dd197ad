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

// Config is what a Page is made of. Handsets are required.
type Config struct {
	Handsets Handsets
	Logger   *slog.Logger
	// ServiceName is what users know the service by.
	ServiceName string
	// Release is how long after its last page has closed a handset is returned to
	// the simulated person, so that reloading the page does not return it. Zero: 5 s.
	Release time.Duration
}

const (
	defaultRelease = 5 * time.Second
	maxPages       = 64 // that are open at a time
	maxMessages    = 50 // that a page shows, the newest
)

// Page is the page of the handsets with a simulated SIM: /phone/sim. Anyone who can
// reach it can read the texts and press the keys.
type Page struct {
	Config
	files map[string]web.File

	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup // the open pages

	mu     sync.Mutex
	open   map[string]*openHandset // by number
	pages  int
	closed bool
}

// openHandset is a handset with an open page, or one whose last page closed a
// moment ago.
type openHandset struct {
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
	h := &Page{Config: c, files: web.ReadFiles(files, "static", c.ServiceName), open: make(map[string]*openHandset)}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

// Close ends the open pages and returns the handsets to the simulated persons.
func (h *Page) Close() error {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.cancel()
	h.work.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	for msisdn, o := range h.open {
		o.release.Stop()
		h.giveBack(msisdn, o)
	}
	return nil
}

// join registers a page. The first page of a handset decides who answers.
func (h *Page) join(msisdn string, p *viewer, byHand bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || h.pages >= maxPages {
		return false
	}
	o := h.open[msisdn]
	if o == nil {
		o = &openHandset{pages: make(map[*viewer]struct{})}
		h.open[msisdn] = o
		h.takeOver(msisdn, o, byHand)
	}
	if o.release != nil {
		o.release.Stop()
		o.release = nil
	}
	o.pages[p] = struct{}{}
	h.pages++
	h.work.Add(1)
	return true
}

// leave is the opposite of join.
func (h *Page) leave(msisdn string, p *viewer) {
	defer h.work.Done()
	h.mu.Lock()
	defer h.mu.Unlock()
	o := h.open[msisdn]
	delete(o.pages, p)
	h.pages--
	if len(o.pages) > 0 {
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(h.Release, func() {
		defer event.Rescue(h.Logger, "handset page")
		h.mu.Lock()
		defer h.mu.Unlock()
		if o.release == timer { // not if a page opened or Close ran first
			h.giveBack(msisdn, o)
		}
	})
	o.release = timer
}

// giveBack returns a handset to the simulated person and forgets it. The caller
// holds the lock.
func (h *Page) giveBack(msisdn string, o *openHandset) {
	o.release = nil
	delete(h.open, msisdn)
	h.takeOver(msisdn, o, false)
}

// setByHand changes who answers, as the switch on the page says.
func (h *Page) setByHand(msisdn string, on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	o := h.open[msisdn]
	if o == nil || len(o.pages) == 0 {
		return // its page has just closed
	}
	h.takeOver(msisdn, o, on)
	for p := range o.pages {
		p.wake()
	}
}

// takeOver tells the handset who answers, if that changes. The caller holds the
// lock, so that calls reach the handset in order.
func (h *Page) takeOver(msisdn string, o *openHandset, on bool) {
	if o.byHand == on {
		return
	}
	if err := h.tellHandset(msisdn, on); err != nil {
		if !errors.Is(err, ErrUnknown) { // a handset that is gone need not know
			h.Logger.Error("handset page: take over", "msisdn", masked(msisdn), "on", on, "err", err)
		}
		return
	}
	o.byHand = on
}

// tellHandset returns a panic as an error, because the callers must complete their
// own bookkeeping in any case.
func (h *Page) tellHandset(msisdn string, on bool) (err error) {
	defer event.RescueTo(&err, h.Logger, "handset page")
	return h.Handsets.TakeOver(msisdn, on)
}

func (h *Page) byHand(msisdn string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	o := h.open[msisdn]
	return o != nil && o.byHand
}

// wakeAll makes the open pages of a handset get its state.
func (h *Page) wakeAll(msisdn string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if o := h.open[msisdn]; o != nil {
		for p := range o.pages {
			p.wake()
		}
	}
}

// Handler serves /phone/sim and everything below it.
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
	return web.Secure(h.rescued(h.sameOrigin(mux)))
}

// rescued answers a request that panics as an internal error.
func (h *Page) rescued(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer event.RescueHTTP(h.Logger, "handset page", w, func(w http.ResponseWriter, p *event.Panic) {
			h.json(w, http.StatusInternalServerError, map[string]string{"error": "internal", "incident": p.Incident})
		})
		next.ServeHTTP(w, r)
	})
}
