package world

import (
	"context"
	"crypto/rsa"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/app"
	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/lab/handset"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/scenario"
	"github.com/signum-mssp/signum/internal/lab/script"
	"github.com/signum-mssp/signum/internal/lab/softapp"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/partydoc"
	"github.com/signum-mssp/signum/internal/simcards"
)

// Config says who lives in a world, and how.
type Config struct {
	Clock  mssp.Clock   // nil: the machine's
	Logger *slog.Logger // nil: nothing is logged
	// Users are the users and patterns of the start. A number occurs once.
	Users []scenario.User
	// Builtin are the numbers that the world cannot lose: one that is removed stays in the
	// roster, without an account.
	Builtin []string
	// Parties are those of the start. Fixed are the AP_IDs of those that cannot be removed.
	Parties []partydoc.Party
	Fixed   []string
	// SharedPins are the pins of the certificates that identify every party that wants them.
	SharedPins func() []mssp.Pin
	Logo       *mssp.Logo // of all parties; nil: none
	// Lazy makes account and phones of a user when the engine first looks for the number.
	Lazy       bool
	WebPhones  bool             // persons in browsers are the users' Apps
	PhoneDelay time.Duration    // before a phone approves
	Usual      person.Behaviour // of users who name none
	Behaviours map[string]person.Behaviour
	Places     map[string]person.Place
	Observe    func(person.Event)
	Cards      card.Store // memory of the SIM cards; nil: it ends with the world
	// RSAKey makes the RSA keys of cards; see card.Config.
	RSAKey func() (*rsa.PrivateKey, error)
	// Changed is called after each change of users or parties. It may be nil.
	Changed func() error
	// Ready is closed when Apps can enrol. Patterns make no users before. Nil: they can.
	Ready <-chan struct{}
	// CardLost says what to do if a card has lost its memory.
	CardLost string
}

// Service is what a world uses of the service that asks its phones.
type Service struct {
	Store   mssp.Store
	CA      *ca.Issuer
	Apps    *app.Server
	Cards   *simcards.Provisioner
	KeyRing *simcards.KeyRing
	Answers mssp.AnswerHandler
	Inbox   mssp.Inbox
	PKIURL  string // names the addresses of OCSP and CRL in certificates, without a slash at its end
	WebURL  string // where people find the phone page
}

// World is one world. It is safe for concurrent use once it is connected.
type World struct {
	// SoftApps are the users' Apps that answer by themselves.
	SoftApps *softapp.Apps
	// Handsets have the users' SIM cards.
	Handsets *handset.Network
	// Retired are the numbers whose software Apps were removed, because a person answers
	// with WebPhones.
	Retired []string

	cfg      Config
	service  Service
	radio    *radio
	requests *requests
	roster   *roster
	parties  partyList

	initial   []scenario.User // in the state of the start
	fresh     sync.Map        // numbers whose account was made at this start
	wishes    []wish
	damaged   []error  // cards that are in no handset
	settingUp sync.Map // numbers whose Apps the world enrols itself
}

// New returns a world without a service. It must be closed.
func New(cfg Config) *World {
	if cfg.Clock == nil {
		cfg.Clock = mssp.SystemClock{}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Changed == nil {
		cfg.Changed = func() error { return nil }
	}
	if cfg.Cards == nil {
		cfg.Cards = card.NewMemory()
	}
	if cfg.Ready == nil {
		ready := make(chan struct{})
		close(ready)
		cfg.Ready = ready
	}
	w := &World{cfg: cfg, roster: newRoster(cfg.Users, cfg.Lazy), requests: newRequests(cfg.PhoneDelay, cfg.Logger)}
	w.radio = newRadio(cfg, w.Decide, w.Observe)
	w.Handsets = w.radio.handsets
	w.parties.openAs(cfg.Parties)
	return w
}

// Connect gives the world its service. It must be called before any request arrives.
func (w *World) Connect(s Service) { w.service = s }

// ConnectApps gives the world its software Apps.
func (w *World) ConnectApps(apps *softapp.Apps) { w.SoftApps = apps }

// Close ends what the world runs: Apps and handsets.
func (w *World) Close() {
	if w.SoftApps != nil {
		w.SoftApps.Close()
	}
	w.requests.close()
	w.radio.close()
}

// Silent reports whether the owner of an account is not told of a change, because the world
// makes it itself.
func (w *World) Silent(c mssp.Change) bool {
	_, ok := w.settingUp.Load(c.MSISDN)
	return ok
}

// Decide and Observe are for the software Apps of the world, as for its handsets.
func (w *World) Decide(msisdn, transID string, op mssp.DeviceOp) (person.Behaviour, bool) {
	return w.requests.decide(msisdn, transID, op)
}

// Observe hears of each event on a phone.
func (w *World) Observe(e person.Event) {
	w.requests.see(e)
	if w.cfg.Observe != nil {
		w.cfg.Observe(e)
	}
}

// Script returns what phones do next; an empty number stands for all phones.
func (w *World) Script(msisdn string) *script.Queue {
	if msisdn == "" {
		return &w.requests.script
	}
	return w.requests.scriptOf(msisdn)
}

// Locate asks the network where a SIM is; see sim.Locator.
func (w *World) Locate(ctx context.Context, msisdn string) (*mssp.Location, error) {
	return w.Handsets.Locate(ctx, msisdn)
}

// Users returns the users and patterns as they were asked for, in the order in which they
// came.
func (w *World) Users() []scenario.User { return w.roster.all() }

// Parties returns the parties as they were asked for, in the order in which they came.
func (w *World) Parties() []partydoc.Party { return w.parties.all() }

// isBuiltin reports whether the world cannot lose a number.
func (w *World) isBuiltin(msisdn string) bool { return slices.Contains(w.cfg.Builtin, msisdn) }

// IsParty reports whether a party has a certificate.
func (w *World) IsParty(ctx context.Context, pin mssp.Pin) (bool, error) {
	all, err := w.service.Store.Pins(ctx)
	return slices.Contains(all, pin), err
}

// Missing reports whether an error says that there is no such user, party or request.
func Missing(err error) bool {
	return errors.Is(err, ErrNoParty) || errors.Is(err, ErrNoUser) || errors.Is(err, ErrNoRequest) || errors.Is(err, ErrNothingCame)
}

// Networks of the users' SIMs. The service can locate the SIMs of the first.
var (
	HomeNetwork  = signum.Network{MCC: "228", MNC: "01", Name: "Sandbox Mobile"}
	OtherNetwork = signum.Network{MCC: "228", MNC: "02", Name: "Other Mobile"}
)

// Has reports whether the roster has a user or a pattern of exactly this number.
func (w *World) Has(msisdn string) bool {
	_, ok := w.roster.find(msisdn)
	return ok
}

// Card returns the card in the handset of a number, or nil if there is none.
func (w *World) Card(msisdn string) *card.Card { return w.radio.card(msisdn) }

// NoCards reports whether no handset has a card.
func (w *World) NoCards() bool { return w.radio.empty() }
