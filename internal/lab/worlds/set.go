package worlds

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/scenario"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/partydoc"
	"github.com/signum-mssp/signum/internal/simcards"
)

// Most is how many worlds a sandbox has at most.
const Most = 10_000

// Errors of a Set.
var (
	ErrNoWorld = errors.New("no such world")
	errTaken   = errors.New("there is a world of this name")
	errMost    = fmt.Errorf("there are %d worlds; drop some first", Most)
)

// Config is what the worlds of a sandbox have in common.
type Config struct {
	Authority *ca.Authority
	KeyRing   *simcards.KeyRing
	PKIURL    string // base of OCSP and CRL, without a slash at its end; that of a world is below it
	WebURL    string // of the pages
	// AppsURL is where software Apps reach the pages, AppClient how.
	AppsURL   string
	AppClient *http.Client
	MSSPURI   string
	// Users are those of a world that names none.
	Users []scenario.User
	// Parties are those of every world, besides the one with an AP_ID of its own, which is
	// like the first of them.
	Parties []partydoc.Party
	// SharedPins are the pins of the certificates of the directory.
	SharedPins func() []mssp.Pin
	// Taken reports whether the world of the directory has a party of this AP_ID.
	Taken      func(apID string) bool
	Logo       *mssp.Logo
	PhoneDelay time.Duration
	MinTimeout time.Duration
	// Crowded is called once when there are many worlds, so that the process saves memory. It
	// may be nil.
	Crowded func()
	Clock   mssp.Clock // nil: the machine's
	Logger  *slog.Logger
}

// crowd is how many worlds are many.
const crowd = 50

// Set has the worlds of a sandbox. It is safe for concurrent use.
type Set struct {
	cfg  Config
	keys *stock

	mu     sync.RWMutex
	worlds map[string]*World
	byPin  map[mssp.Pin][]*World
	byAPID map[string][]*World
	closed bool
	crowd  sync.Once
}

// New returns an empty set. It must be closed.
func New(cfg Config) *Set {
	if cfg.Clock == nil {
		cfg.Clock = mssp.SystemClock{}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Set{
		cfg: cfg, keys: newStock(cfg.Logger),
		worlds: make(map[string]*World), byPin: make(map[mssp.Pin][]*World), byAPID: make(map[string][]*World),
	}
}

// Options are what a new world is asked to be.
type Options struct {
	Name string // letters, digits and hyphens, in lower case; empty: a random one
	// Users and Parties are as those of a scenario file. Users that are nil are those of every
	// sandbox. Parties are added to those of every world.
	Users   []scenario.User
	Parties []partydoc.Party
	Usual   person.Behaviour // of users who name none
}

var nameForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)

// Create makes a world. It refuses a name that is taken or malformed.
func (s *Set) Create(ctx context.Context, o Options) (*World, error) {
	if o.Name == "" {
		o.Name = "w" + strings.ToLower(rand.Text()[:9])
	}
	if !nameForm.MatchString(o.Name) {
		return nil, fmt.Errorf("%q is not a name of a world: up to 40 letters (a to z), digits and hyphens", o.Name)
	}
	if err := s.free(o.Name); err != nil {
		return nil, err
	}
	w, err := newWorld(ctx, s, o)
	if err != nil {
		return nil, err
	}
	if err := s.add(w); err != nil {
		w.Close()
		return nil, err
	}
	return w, w.changed()
}

// free reports whether a world of this name can be made.
func (s *Set) free(name string) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	switch {
	case s.closed:
		return errors.New("the sandbox stops")
	case s.worlds[name] != nil:
		return fmt.Errorf("%s: %w", name, errTaken)
	case len(s.worlds) >= Most:
		return errMost
	}
	return nil
}

func (s *Set) add(w *World) error {
	if err := s.free(w.Name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.worlds[w.Name] != nil {
		return fmt.Errorf("%s: %w", w.Name, errTaken)
	}
	s.worlds[w.Name] = w
	if len(s.worlds) >= crowd && s.cfg.Crowded != nil {
		s.crowd.Do(s.cfg.Crowded)
	}
	return nil
}

// Find returns a world; ErrNoWorld.
func (s *Set) Find(name string) (*World, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	w := s.worlds[name]
	if w == nil {
		return nil, fmt.Errorf("%s: %w", name, ErrNoWorld)
	}
	return w, nil
}

// List returns the worlds, oldest first.
func (s *Set) List() []*World {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.SortedFunc(maps.Values(s.worlds), func(a, b *World) int {
		return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.Name, b.Name))
	})
}

// Drop ends a world: its calls are cut, and nothing of it stays. ErrNoWorld.
func (s *Set) Drop(name string) error {
	w, err := s.Find(name)
	if err != nil {
		return err
	}
	s.mu.Lock()
	mine := s.worlds[name] == w
	if mine {
		delete(s.worlds, name)
		s.forget(w)
	}
	s.mu.Unlock()
	if !mine {
		return fmt.Errorf("%s: %w", name, ErrNoWorld)
	}
	w.Close()
	return nil
}

// Close drops all worlds.
func (s *Set) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	var all sync.WaitGroup
	for _, w := range s.List() {
		all.Go(func() {
			defer event.Rescue(s.cfg.Logger, "end of a world")
			_ = s.Drop(w.Name) // unless another caller has
		})
	}
	all.Wait()
	s.keys.close()
}

// forget removes a world from the directory of parties. The lock must be held.
func (s *Set) forget(w *World) {
	is := func(o *World) bool { return o == w }
	for _, pin := range w.pins {
		if s.byPin[pin] = slices.DeleteFunc(s.byPin[pin], is); len(s.byPin[pin]) == 0 {
			delete(s.byPin, pin)
		}
	}
	for _, id := range w.apIDs {
		if s.byAPID[id] = slices.DeleteFunc(s.byAPID[id], is); len(s.byAPID[id]) == 0 {
			delete(s.byAPID, id)
		}
	}
	w.pins, w.apIDs = nil, nil
}

// register enters the parties of a world into the directory, in place of those of before.
func (s *Set) register(w *World, pins []mssp.Pin, apIDs []string) {
	shared := s.cfg.SharedPins()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(w)
	if s.worlds[w.Name] != w {
		return // dropped meanwhile
	}
	w.pins = slices.DeleteFunc(pins, func(p mssp.Pin) bool { return slices.Contains(shared, p) })
	w.apIDs = apIDs
	for _, pin := range w.pins {
		s.byPin[pin] = append(s.byPin[pin], w)
	}
	for _, id := range apIDs {
		s.byAPID[id] = append(s.byAPID[id], w)
	}
}
