package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/node"
	"github.com/signum-mssp/signum/internal/phone"
	"github.com/signum-mssp/signum/internal/simcards"
)

// Config is what a developer may choose.
type Config struct {
	Dir        string                     // made if it does not exist; empty: a temporary one, which stays
	Addr       string                     // host:port of the service
	PKIAddr    string                     // host:port of OCSP and CRL; empty: that of the last time, else a free port
	WebAddr    string                     // host:port of the phone page and the portal; empty: that of the last time, else the port after Addr's, else a free one
	WebPhones  bool                       // a person in a browser is the App of a user; else Apps answer by themselves
	Store      string                     // see store.Open; empty: SQLite in Dir
	CAProfile  string                     // of a new directory; see ca.Profile
	PhoneDelay time.Duration              // before a phone approves
	Behaviours map[string]phone.Behaviour // by MSISDN
	Places     map[string]phone.Place     // where users are, by MSISDN
	AuthURI    string                     // that opens the app that signs (app2app); empty: the phone page with WebPhones, else signum.DefaultAuthURI
	Observe    func(phone.Event)
	Cards      card.Store     // what the SIM cards keep; nil: files in Dir
	Apps       phone.AppStore // what the Apps keep; nil: files in Dir
	// SMSC is that of somebody else, for example smpp://user:password@host:2775;
	// see ParseSMSC. Empty: an emulated one, with handsets that have the cards.
	SMSC string
	// SIMChannel, if not nil, is put between the engine and the SIMs.
	SIMChannel func(mssp.Channel) mssp.Channel
	Clock      mssp.Clock // of the service; nil: the machine's
	Logger     *slog.Logger
	Wrap       func(http.Handler) http.Handler // see node.Config
}

// Sandbox is an opened directory with its server. Run serves.
type Sandbox struct {
	*node.Node
	Dir  string // absolute
	Info Info
	// SoftApps are the users' Apps that answer by themselves; Server.Apps is the
	// service's side of them.
	SoftApps *phone.Apps
	// Handsets have the users' SIM cards.
	Handsets *phone.Handsets

	radio      *radio
	log        *slog.Logger
	lock       *os.File
	script     *script
	webPhones  bool
	clock      mssp.Clock
	behaviours map[string]phone.Behaviour // set by MSISDN
	places     map[string]phone.Place
}

// Run serves until ctx ends; see node.Node.
func (b *Sandbox) Run(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	g.Go(func() (err error) {
		defer event.RescueTo(&err, b.log, "node")
		return b.Node.Run(serving)
	})
	g.Go(func() (err error) {
		defer event.RescueTo(&err, b.log, "software Apps")
		// The Apps go first: a server waits for those who are connected.
		defer stop()
		defer b.SoftApps.Close()
		return b.SoftApps.Run(gctx)
	})
	err := g.Wait()
	b.script.close()
	b.radio.close()
	return errors.Join(err, b.lock.Close())
}

// Close gives back what Open took, for a Sandbox that was not Run.
func (b *Sandbox) Close() error {
	err := b.Node.Close()
	if b.SoftApps != nil {
		b.SoftApps.Close()
	}
	b.script.close()
	b.radio.close()
	return errors.Join(err, b.lock.Close())
}

// Open prepares the directory and the server. A Sandbox that is not Run must
// be closed.
func Open(ctx context.Context, cfg Config) (box *Sandbox, err error) {
	if cfg.Clock == nil {
		cfg.Clock = mssp.SystemClock{}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	dir, err := prepareDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	lock, err := lockDir(filepath.Join(dir, privateDir))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			lock.Close()
		}
	}()
	host, _, err := net.SplitHostPort(cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", cfg.Addr, err)
	}
	srvPair, srvCA, err := serverPair(dir, host)
	if err != nil {
		return nil, err
	}
	ap, err := apPair(dir)
	if err != nil {
		return nil, err
	}
	radio, err := newRadio(cfg, dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			radio.close()
		}
	}()
	sims, err := radio.sims(cfg, dir)
	if err != nil {
		return nil, err
	}
	push, err := vapid(dir)
	if err != nil {
		return nil, fmt.Errorf("keys for push services: %w", err)
	}
	pin := mssp.PinOf(ap.cert.Raw)
	control := &control{pin: pin, log: cfg.Logger, maxCards: maxCards}
	script := newScript(cfg.PhoneDelay, cfg.Logger)
	sc := node.Config{
		Addr:        cfg.Addr,
		Certificate: srvPair.tls(),
		PKIAddr:     pkiAddr(cfg, dir, host),
		Store:       cfg.Store,
		Authority: func(url string) (*ca.Authority, error) {
			return ca.LoadOrCreate(filepath.Join(dir, privateDir, "ca"), ca.Config{
				Profile: ca.Profile(cfg.CAProfile), RootName: "Signum sandbox root CA", IssuingName: "Signum sandbox issuing CA",
				Organization: "Signum sandbox", Test: true, URL: url,
			}, time.Now())
		},
		Web: node.Web{
			Addr: webAddr(cfg, dir, host), Certificate: webCertificate(host, srvPair),
			VAPID: push, Limits: unlimited, Channel: script.before, Handlers: radio.pages(),
		},
		SIM:     sims,
		MSSPURI: "mid://signum/sandbox",

		HomeNetwork: homeNetwork.MCC + homeNetwork.MNC,
		AuthURI:     cfg.AuthURI,
		Handlers:    control.handlers(),
		Wrap:        cfg.Wrap,

		Clock:  cfg.Clock,
		Logger: cfg.Logger,
	}
	if cfg.WebPhones && sc.AuthURI == "" {
		sc.AuthURI = phonePath
	}
	if sc.Store == "" {
		sc.Store = "sqlite:" + filepath.Join(dir, privateDir, "signum.db")
	}
	sc.Shared = strings.HasPrefix(sc.Store, "postgres")
	sc.SIM.Placed = func(ctx context.Context, c simcards.ImportedCard) error { return box.placed(ctx, c) }
	srv, err := node.New(ctx, sc)
	if err != nil {
		return nil, hint(err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, srv.Close())
		}
	}()
	box = &Sandbox{Node: srv, Handsets: radio.handsets, radio: radio, Dir: dir, log: cfg.Logger, lock: lock, script: script, webPhones: cfg.WebPhones, clock: cfg.Clock,
		behaviours: cfg.Behaviours, places: cfg.Places, Info: Info{
			BaseURL: "https://" + srv.Addr(), PKIURL: srv.PKIURL(), WebURL: srv.WebURL(),
			APID: APID, BasicAPID: BasicAPID, DTBDPrefix: DTBDPrefix, Users: Users(),
		}}
	control.box, script.answerer = box, srv.AnswerHandler()
	radio.origin.Store(srv.WebURL())
	apps, err := softApps(ctx, cfg, dir, srv, srvCA.cert)
	if err != nil {
		return nil, err
	}
	box.SoftApps = apps
	defer func() {
		if err != nil {
			apps.Close()
		}
	}()
	root := srv.CA.Root()
	if err := writePEM(box.Path(UserCAFile), "CERTIFICATE", root.Raw, 0o644); err != nil {
		return nil, err
	}
	if err := writeP12(dir, ap, srvCA.cert, root); err != nil {
		return nil, err
	}
	if err := box.populate(ctx, pin); err != nil {
		return nil, err
	}
	return box, box.Info.write(dir)
}

// Path is the absolute path of a file in the directory.
func (b *Sandbox) Path(file string) string { return filepath.Join(b.Dir, file) }

func prepareDir(dir string) (string, error) {
	if dir == "" {
		tmp, err := os.MkdirTemp("", "signum-sandbox-")
		if err != nil {
			return "", err
		}
		dir = tmp
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Join(dir, privateDir), 0o700); err != nil {
		return "", err
	}
	return dir, os.Chmod(filepath.Join(dir, privateDir), 0o700)
}

// hint says what to do about the most common trouble.
func hint(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "listen" {
		return fmt.Errorf("%w; another sandbox may be running: choose another address, port 0 for a free one", err)
	}
	return err
}
