package worlds

import (
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/signum-mssp/signum/internal/account"
	"github.com/signum-mssp/signum/internal/app"
	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/engine"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/lab/memstore"
	"github.com/signum-mssp/signum/internal/lab/smsc"
	"github.com/signum-mssp/signum/internal/lab/world"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/partydoc"
	"github.com/signum-mssp/signum/internal/sim"
	"github.com/signum-mssp/signum/internal/simcards"
)

// World is a world with its service.
type World struct {
	*world.World
	Name    string
	Created time.Time
	// APID is the AP_ID that no other world has.
	APID string
	// Certificate and Key identify all parties of this world, in PEM.
	Certificate, Key []byte
	Pin              mssp.Pin

	set      *Set
	key      *ecdsa.PrivateKey
	prefix   string // of its addresses: /w/NAME
	store    *memstore.Store
	ca       *ca.Issuer
	sims     *sim.Channel
	cards    *simcards.Provisioner
	apps     *app.Server
	accounts *account.Service
	smsc     *smsc.SMSC
	engine   *engine.Engine
	pki, web http.Handler

	begin sync.Once
	ctx   context.Context
	stop  context.CancelFunc
	run   *errgroup.Group

	rsa struct {
		sync.Mutex
		keys []*rsa.PrivateKey // taken from the stock
	}

	// In the directory of parties; guarded by the lock of the set.
	pins  []mssp.Pin
	apIDs []string
}

// Path begins the paths of all worlds, on all listeners.
const Path = "/w/"

// prefixOf is what begins the paths of a world.
func prefixOf(name string) string { return Path + name }

// apIDOf is the AP_ID that only a world of this name has.
func apIDOf(name string) string { return "mid://sandbox/w/" + name }

func newWorld(ctx context.Context, s *Set, o Options) (*World, error) {
	w := &World{
		Name: o.Name, Created: time.Now(), APID: apIDOf(o.Name), set: s, prefix: prefixOf(o.Name), store: memstore.New(),
	}
	w.ctx, w.stop = context.WithCancel(context.Background())
	w.run = new(errgroup.Group)
	if err := w.certify(); err != nil {
		return nil, err
	}
	users := o.Users
	if users == nil {
		users = s.cfg.Users
	}
	w.World = world.New(world.Config{
		Clock: s.cfg.Clock, Logger: s.cfg.Logger, Users: users, Parties: w.parties(o.Parties),
		Fixed: []string{w.APID}, SharedPins: func() []mssp.Pin { return append(s.cfg.SharedPins(), w.Pin) }, Logo: s.cfg.Logo,
		Lazy: true, Usual: o.Usual, PhoneDelay: s.cfg.PhoneDelay, RSAKey: w.rsaKey, Changed: w.changed,
	})
	if err := w.assemble(); err != nil {
		w.Close()
		return nil, err
	}
	if err := w.Populate(ctx); err != nil {
		w.Close()
		return nil, err
	}
	if err := w.Complete(ctx); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// parties returns those of the start: the one that only this world has, those of every
// world, and others.
func (w *World) parties(own []partydoc.Party) []partydoc.Party {
	all := slices.Clone(w.set.cfg.Parties)
	if len(all) > 0 {
		first := all[0]
		first.APID = w.APID
		all = slices.Insert(all, 0, first)
	}
	return world.Overlay(all, own...)
}

// changed enters the parties into the directory of the set.
func (w *World) changed() error {
	pins, err := w.store.Pins(context.Background())
	if err != nil {
		return err
	}
	ids, err := w.store.PartyIDs(context.Background())
	if err == nil {
		w.set.register(w, pins, ids)
	}
	return err
}

func (w *World) rsaKey() (*rsa.PrivateKey, error) {
	key, err := w.set.keys.take()
	if err == nil {
		w.rsa.Lock()
		w.rsa.keys = append(w.rsa.keys, key)
		w.rsa.Unlock()
	}
	return key, err
}

// start lets the service go, when it is first needed.
func (w *World) start() {
	w.begin.Do(func() {
		if w.ctx.Err() != nil {
			return
		}
		log := w.set.cfg.Logger
		w.run.Go(func() (err error) {
			defer event.RescueTo(&err, log, "engine of a world")
			return w.engine.Run(w.ctx)
		})
		w.run.Go(func() error {
			defer event.Rescue(log, "Apps of a world")
			w.apps.Run(w.ctx)
			return nil
		})
		w.run.Go(func() (err error) {
			defer event.RescueTo(&err, log, "software Apps of a world")
			return w.SoftApps.Run(w.ctx)
		})
	})
}

// Close ends the world. What is open ends with it.
func (w *World) Close() {
	w.begin.Do(func() {}) // it must not start any more
	if w.SoftApps != nil {
		w.SoftApps.Close()
	}
	w.stop()
	_ = w.run.Wait() // the log has what went wrong
	if w.apps != nil {
		w.apps.Close()
	}
	if w.sims != nil {
		w.sims.Close()
	}
	if w.smsc != nil {
		w.smsc.Close()
	}
	if w.accounts != nil {
		w.accounts.Close()
	}
	w.World.Close()
	_ = w.store.Close()
	w.set.keys.giveBack(w.rsa.keys)
}

// PKI serves OCSP, CRLs and CA certificates of the world, with the paths of the sandbox.
func (w *World) PKI() http.Handler { return w.pki }

// Web serves the protocol of Apps, with the paths of the sandbox.
func (w *World) Web() http.Handler { return w.web }

// Prefix is what begins the paths of the world: /w/NAME.
func (w *World) Prefix() string { return w.prefix }

// SIMTrace returns the last exchanges with the card of a number. The error is
// mssp.ErrNotFound if it has none.
func (w *World) SIMTrace(ctx context.Context, msisdn string) ([]sim.Exchange, error) {
	if all := w.sims.Trace(msisdn); len(all) > 0 {
		return all, nil
	}
	_, err := w.store.CardOf(ctx, msisdn)
	return nil, err
}

// Provisioner moves the SIM cards of the world.
func (w *World) Provisioner() *simcards.Provisioner { return w.cards }

// Root and Issuing are the CA certificates of the world.
func (w *World) Root() *x509.Certificate    { return w.ca.Root() }
func (w *World) Issuing() *x509.Certificate { return w.ca.Issuing() }

// PKIURL is the base of OCSP and CRLs in the certificates of the world's users.
func (w *World) PKIURL() string { return w.set.cfg.PKIURL + w.prefix }
