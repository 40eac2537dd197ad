package phones

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/door"
	"github.com/signum-mssp/signum/internal/durable"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/lab/control"
	"github.com/signum-mssp/signum/internal/lab/handset"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/smsc"
	"github.com/signum-mssp/signum/internal/policy"
	"github.com/signum-mssp/signum/internal/scp80"
)

// ServiceNumber is the number to which the cards answer, in YAMLFile. Any other works, too.
const ServiceNumber = "41790000500"

// Defaults of Config.
const (
	DefaultAddr     = "127.0.0.1:2775"
	DefaultSystemID = "signum"
	DefaultFirst    = "+41795000001" // no user of a sandbox
	maxUsers        = 1_000_000
	maxNumber       = 13 // digits
)

// Config describes a network. Dir must be set; zero values of the others mean the defaults.
type Config struct {
	Dir         string
	Addr        string   // of the SMSC
	ControlAddr string   // of the control addresses; default a free port on loopback
	SystemIDs   []string // that may bind, all with the same password
	Password    string   // at most 8 characters; empty: that of the last run, else a random one
	Users       int      // with numbers from First on; those of earlier runs stay
	First       string
	RSA         int           // how many of them, the last ones, have a card for RSA keys
	Delay       time.Duration // until a user presses the first key
	Behaviours  map[string]person.Behaviour
	// AnswerSender: a message of a phone goes to the ESME that last sent one to the phone.
	// Otherwise it goes to any ESME, in turn, as with SMSCs that route by number.
	AnswerSender bool
	Faults       string // as smsc.ParseFaults takes them
	Observe      func(person.Event)
	Logger       *slog.Logger
}

// Network is the network. It works from Open until Close.
type Network struct {
	Info Info
	Made int // cards that are new

	cfg      Config
	cards    map[string]*card.Card // by number
	dir      *card.Dir
	handsets *handset.Network
	smsc     *smsc.SMSC
	door     *door.Door
	closers  []func() error
	closing  sync.Once
	closed   error
}

func (c *Config) complete() error {
	c.Addr, c.ControlAddr = cmp.Or(c.Addr, DefaultAddr), cmp.Or(c.ControlAddr, "127.0.0.1:0")
	if len(c.SystemIDs) == 0 {
		c.SystemIDs = []string{DefaultSystemID}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	first, ok := policy.ParseMSISDN(cmp.Or(c.First, DefaultFirst))
	c.First = first
	switch {
	case c.Dir == "":
		return errors.New("a network of phones needs a directory")
	case !ok:
		return errors.New("the first number is not that of a mobile user with its country code, such as " + DefaultFirst)
	case len(c.First) > 1+maxNumber:
		return fmt.Errorf("the first number has more than %d digits", maxNumber)
	case c.Users < 0 || c.Users > maxUsers:
		return fmt.Errorf("there can be up to %d users", maxUsers)
	case c.RSA < 0 || c.RSA > c.Users:
		return fmt.Errorf("%d of %d users cannot have RSA", c.RSA, c.Users)
	case len(c.Password) > 8:
		return errors.New("a password of SMPP has at most 8 characters")
	}
	for _, id := range c.SystemIDs {
		if id == "" || len(id) > 15 {
			return fmt.Errorf("system_id %q: must have 1 to 15 characters", id)
		}
	}
	return nil
}

// Open opens the directory, makes the cards that are missing, and starts the SMSC.
func Open(cfg Config) (n *Network, err error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	n = &Network{cfg: cfg, cards: make(map[string]*card.Card)}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
			n = nil
		}
	}()
	if err := n.lock(); err != nil {
		return n, err
	}
	sims, err := n.factory()
	if err != nil {
		return n, err
	}
	if err := n.openCards(sims); err != nil {
		return n, err
	}
	if err := n.openSMSC(); err != nil {
		return n, err
	}
	if err := n.openControl(); err != nil {
		return n, err
	}
	return n, n.publish(sims)
}

func (n *Network) onClose(f func() error) { n.closers = append(n.closers, f) }

func (n *Network) lock() error {
	if err := os.MkdirAll(n.cfg.Dir, 0o700); err != nil {
		return err
	}
	lock, err := durable.Lock(filepath.Join(n.cfg.Dir, lockFile))
	if errors.Is(err, durable.ErrLocked) {
		err = fmt.Errorf("%s is in use by another process", n.cfg.Dir)
	}
	if err != nil {
		return err
	}
	n.onClose(lock.Close)
	return durable.Clean(n.cfg.Dir)
}

// factory makes the cards that are missing. Their keys are on disk before they are used.
func (n *Network) factory() ([]sim, error) {
	have, err := loadSims(filepath.Join(n.cfg.Dir, keysFile))
	if err != nil {
		return nil, err
	}
	all, made, err := n.cfg.makeSims(have)
	if err != nil {
		return nil, err
	}
	n.Made = made
	if made > 0 {
		err = saveSims(n.cfg.Dir, all)
	}
	return all, err
}

// openCards puts the cards into their handsets.
func (n *Network) openCards(sims []sim) (err error) {
	if n.dir, err = card.OpenDir(filepath.Join(n.cfg.Dir, cardsDir)); err != nil {
		return err
	}
	n.onClose(n.dir.Close)
	n.handsets = handset.New(handset.Config{Delay: n.cfg.Delay, Logger: n.cfg.Logger, Observe: n.cfg.Observe})
	n.onClose(func() error { n.handsets.Close(); return nil })
	for _, s := range sims {
		c, err := card.New(card.Config{
			ICCID: s.ICCID, Keys: scp80.Keys{KIc: s.KIc, KID: s.KID}, KeySet: 1, KeyType: s.KeyType, Blank: true, Store: n.dir, Logger: n.cfg.Logger,
		})
		if err == nil {
			err = n.handsets.Insert("card-"+s.ICCID, s.MSISDN, c)
		}
		if err != nil {
			return fmt.Errorf("card %s: %w", s.ICCID, err)
		}
		n.cards[s.MSISDN] = c
	}
	for msisdn, b := range n.cfg.Behaviours {
		if err := n.handsets.Behave(msisdn, b); err != nil {
			return fmt.Errorf("the behaviour of %s: %w; there are %d, from %s on", msisdn, err, len(n.cards), n.cfg.First)
		}
	}
	return nil
}

func (n *Network) openSMSC() error {
	password := n.cfg.Password
	if old, err := ReadInfo(n.cfg.Dir); err == nil && password == "" {
		password = old.Password
	}
	password = cmp.Or(password, rand.Text()[:8])
	credentials := make(map[string]string)
	for _, id := range n.cfg.SystemIDs {
		credentials[id] = password
	}
	faults, err := smsc.ParseFaults(n.cfg.Faults)
	if err != nil {
		return fmt.Errorf("faults: %w", err)
	}
	n.smsc, err = smsc.New(smsc.Config{
		Addr: n.cfg.Addr, Credentials: credentials, Radio: Air{n.handsets}, Faults: faults, AnswerSender: n.cfg.AnswerSender, Logger: n.cfg.Logger,
	})
	if err != nil {
		return err
	}
	n.onClose(func() error { n.smsc.Close(); return nil })
	n.handsets.Connect(n.smsc.Submit)
	n.Info = Info{Address: n.smsc.Addr(), SystemIDs: n.cfg.SystemIDs, Password: password, First: n.cfg.First, Users: len(n.cards)}
	return nil
}

func (n *Network) openControl() error {
	l, err := net.Listen("tcp", n.cfg.ControlAddr)
	if err != nil {
		return fmt.Errorf("control: %w", err)
	}
	n.Info.Control, n.Info.Token = "http://"+l.Addr().String(), control.NewToken()
	mux := http.NewServeMux()
	for pattern, h := range n.handlers() {
		mux.Handle(pattern, h)
	}
	n.door = door.New(door.Config{
		Name: "control", Listener: l, Handler: mux, ReadTimeout: controlTimeout, WriteTimeout: controlTimeout,
		Most: controlConnections, PerAddress: controlConnections, Log: n.cfg.Logger, ErrorLog: slog.NewLogLogger(n.cfg.Logger.Handler(), slog.LevelWarn),
		Failed: func() {}, Refused: func(string) {},
	})
	n.onClose(l.Close)
	return nil
}

func (n *Network) publish(sims []sim) error {
	return errors.Join(writeCards(n.cfg.Dir, sims), writeYAML(n.cfg.Dir, n.Info), writeInfo(n.cfg.Dir, n.Info))
}

// Run serves the control addresses until the context ends, then closes the network.
func (n *Network) Run(ctx context.Context) error {
	err := n.door.Run(ctx)
	return errors.Join(err, n.Close())
}

// Close ends everything. The cards are on disk.
func (n *Network) Close() error {
	n.closing.Do(func() {
		defer event.RescueTo(&n.closed, n.cfg.Logger, "network of phones")
		for i := len(n.closers) - 1; i >= 0; i-- {
			if err := n.closers[i](); err != nil && !errors.Is(err, net.ErrClosed) {
				n.closed = errors.Join(n.closed, err)
			}
		}
	})
	return n.closed
}
