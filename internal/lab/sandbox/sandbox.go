package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/scenario"
	"github.com/signum-mssp/signum/internal/lab/softapp"
	"github.com/signum-mssp/signum/internal/lab/world"
	"github.com/signum-mssp/signum/internal/lab/worlds"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/node"
	"github.com/signum-mssp/signum/internal/partydoc"
)

// Config contains what a developer can choose.
type Config struct {
	Dir  string // created if it does not exist; empty: a temporary one, which is deleted only if the sandbox does not become ready
	Addr string // host:port of the service
	// Hosts are names and IP addresses by which others reach the sandbox. The first one
	// is in every address that it publishes. A wildcard, such as *.example.test, is only
	// in the certificate.
	Hosts []string
	// PublicURL is the base of OCSP, CRL and CA certificates, which the users'
	// certificates name; empty: that of their listener.
	PublicURL  string
	PKIAddr    string                      // host:port of OCSP and CRL; empty: the port of the last run, otherwise a free one
	WebAddr    string                      // host:port of the phone page and the portal; empty: the port of the last run, otherwise the one after Addr's, otherwise a free one
	OpsAddr    string                      // host:port of metrics and health; empty: a free port of this machine
	Announces  bool                        // the caller says with Announce when others may begin; false: they may as soon as it is Ready
	WebPhones  bool                        // persons in browsers are the users' Apps; otherwise Apps answer by themselves
	Store      string                      // see store.Open; empty: SQLite in Dir
	CAProfile  string                      // of a new directory; see ca.Profile
	PhoneDelay time.Duration               // before a phone approves
	MinTimeout time.Duration               // the shortest TimeOut that a request may name; 0: 15 s, as the public service
	Token      string                      // of the control addresses; empty: that of the last run, otherwise a random one
	Parties    []partydoc.Party            // besides those of every sandbox; see ParseParty
	Scenario   *scenario.Scenario          // users and parties, which take precedence over those that the directory keeps; nil: none
	Users      []string                    // MSISDNs of users with SIM and App, besides those of every sandbox
	Behaviours map[string]person.Behaviour // by MSISDN
	Places     map[string]person.Place     // where users are, by MSISDN
	AuthURI    string                      // opens the signing app (app2app); empty: the phone page with WebPhones, otherwise signum.DefaultAuthURI
	Observe    func(person.Event)
	Cards      card.Store    // memory of the SIM cards; nil: files in Dir
	Apps       softapp.Store // memory of the Apps; nil: files in Dir
	// SMSC is the address of an external SMSC, for example
	// smpp://user:password@host:2775; see ParseSMSC. Empty: an emulated SMSC, with
	// handsets that contain the cards.
	SMSC string
	// WebURL is the public origin of the pages; empty: the listener's. Its name need not
	// resolve on this machine.
	WebURL string
	// WrapSIMs decorates the channel to the SIMs; see node.Deps.
	WrapSIMs     node.ChannelWrapper
	BeforeCommit func()     // before each commit of the store; see node.Deps
	Crowded      func()     // called once when there are many worlds; nil: nothing is
	Clock        mssp.Clock // of the service; nil: the machine's
	Logger       *slog.Logger
	Version      string                          // of the program, for metrics
	Wrap         func(http.Handler) http.Handler // see node.Deps.WrapMSS
}

func (c Config) withDefaults() Config {
	if c.Clock == nil {
		c.Clock = mssp.SystemClock{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Sandbox is an opened directory with its node. Open prepares and binds, Run
// serves, Close releases.
type Sandbox struct {
	*node.Node
	// World is the one of the directory; its service is the node.
	*world.World
	Dir  string // absolute
	Info Info

	cfg   Config
	radio *radio
	reach reach
	files files
	pairs func() ([]pair, error) // of the parties; waits until they are made
	token string                 // of the control addresses
	ready chan struct{}
	// worlds are those besides the one of the directory. The service exists before them, and
	// has no call for one until then.
	worlds atomic.Pointer[worlds.Set]

	publishing sync.Mutex

	announced atomic.Bool    // see Announce
	release   []func() error // for Close, in the order of acquisition
}

// Ready is closed once all users have their phones.
func (b *Sandbox) Ready() <-chan struct{} { return b.ready }

// Start runs the sandbox until ctx ends, and returns when it is ready. The channel gets what
// Run returns. There is an error if the sandbox has ended before, also because ctx did.
func (b *Sandbox) Start(ctx context.Context) (served <-chan error, err error) {
	done := make(chan error, 1)
	go func() {
		defer event.Rescue(b.cfg.Logger, "sandbox", func() { done <- errors.New("sandbox: it panicked") })
		done <- b.Run(ctx)
	}()
	select {
	case <-b.Ready():
		return done, nil
	case err := <-done:
		return nil, cmp.Or(err, context.Cause(ctx))
	}
}

// Announce lets others begin, if Config.Announces made them wait: what the caller did first,
// such as the example, needs the phones of users for itself.
func (b *Sandbox) Announce() { b.announced.Store(true) }

// Run serves until ctx ends. It enrols missing Apps first. It can be called once.
func (b *Sandbox) Run(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	g.Go(func() (err error) {
		defer event.RescueTo(&err, b.cfg.Logger, "node")
		return b.Node.Run(serving)
	})
	g.Go(func() (err error) {
		defer event.RescueTo(&err, b.cfg.Logger, "software Apps")
		// The Apps close first, because the server waits for those that are connected.
		defer stop()
		defer b.SoftApps.Close()
		if err := b.Complete(gctx); err != nil {
			if ctx.Err() != nil {
				return nil // stopped before it was ready
			}
			if missing, ok := errors.AsType[*world.NoPhoneError](err); ok {
				return noPhone(missing.Member, missing.MSISDN)
			}
			return err
		}
		if err := b.writeFiles(); err != nil {
			return err
		}
		close(b.ready)
		return b.SoftApps.Run(gctx)
	})
	return g.Wait()
}

// onClose adds a function to Close, which calls the last one first.
func (b *Sandbox) onClose(f func() error) { b.release = append(b.release, f) }

// Close releases what Open acquired. Run must have ended. Further calls do nothing.
func (b *Sandbox) Close() error {
	var errs []error
	for _, f := range slices.Backward(b.release) {
		errs = append(errs, f())
	}
	b.release = nil
	return errors.Join(errs...)
}

// Path returns the absolute path of a file in the directory.
func (b *Sandbox) Path(file string) string { return filepath.Join(b.Dir, file) }

// prepareDir makes the directory and its private part, or checks those that exist.
func prepareDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	st, err := os.Stat(dir)
	if err != nil {
		return err
	}
	// Somebody who can write here can exchange keys and certificates.
	if st.Mode()&0o002 != 0 && runtime.GOOS != "windows" {
		return fmt.Errorf("every user of this machine can write to %s: run chmod o-w %s, or use another directory", dir, dir)
	}
	private := filepath.Join(dir, privateDir)
	switch st, err := os.Lstat(private); {
	case errors.Is(err, fs.ErrNotExist):
		return os.Mkdir(private, 0o700)
	case err != nil:
		return err
	case !st.IsDir(): // a symbolic link, too
		return fmt.Errorf("%s must be a directory, not a link or a file: it holds private keys", private)
	}
	return os.Chmod(private, 0o700)
}
