package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/phone"
	"github.com/signum-mssp/signum/internal/server"
)

// Config is what a developer may choose.
type Config struct {
	Dir        string        // made if it does not exist; empty: a temporary one, which stays
	Addr       string        // host:port of the service
	PKIAddr    string        // host:port of OCSP and CRL; empty: that of the last time, else a free port
	Store      string        // see store.Open; empty: SQLite in Dir
	CAProfile  string        // of a new directory; see ca.Profile
	PhoneDelay time.Duration // before a phone approves
	Behaviours map[string]phone.Behaviour
	Observe    func(phone.Event)
	Keys       phone.KeyStore // of the phones; nil: files in Dir
	Clock      signum.Clock   // of the service; nil: the machine's
	Logger     *slog.Logger
}

// Sandbox is an opened directory with its server. Run serves.
type Sandbox struct {
	*server.Server
	Dir  string // absolute
	Info Info
	lock *os.File

	behaviours map[string]phone.Behaviour // set by MSISDN
}

// Run serves until ctx ends; see server.Server.
func (b *Sandbox) Run(ctx context.Context) error {
	return errors.Join(b.Server.Run(ctx), b.lock.Close())
}

// Close gives back what Open took, for a Sandbox that was not Run.
func (b *Sandbox) Close() error { return errors.Join(b.Server.Close(), b.lock.Close()) }

// Open prepares the directory and the server. A Sandbox that is not Run must
// be closed.
func Open(ctx context.Context, cfg Config) (box *Sandbox, err error) {
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
	keys := cfg.Keys
	if keys == nil {
		if keys, err = phone.OpenKeys(filepath.Join(dir, privateDir, "phones")); err != nil {
			return nil, err
		}
	}
	sc := server.Config{
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
		Phones:    phone.Config{Delay: cfg.PhoneDelay, Keys: keys, Observe: cfg.Observe},
		MSSPURI:   "mid://signum/sandbox",
		PortalURL: "/me",
		Clock:     cfg.Clock,
		Logger:    cfg.Logger,
	}
	if sc.Store == "" {
		sc.Store = "sqlite:" + filepath.Join(dir, privateDir, "signum.db")
	}
	sc.Shared = strings.HasPrefix(sc.Store, "postgres")
	srv, err := server.New(ctx, sc)
	if err != nil {
		return nil, hint(err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, srv.Close())
		}
	}()
	box = &Sandbox{Server: srv, Dir: dir, lock: lock, behaviours: cfg.Behaviours, Info: Info{
		BaseURL: "https://" + srv.Addr(), PKIURL: srv.PKIURL(), APID: APID, DTBDPrefix: DTBDPrefix, Users: Users(),
	}}
	root := srv.CA.Root()
	if err := writePEM(box.Path(UserCAFile), "CERTIFICATE", root.Raw, 0o644); err != nil {
		return nil, err
	}
	if err := writeP12(dir, ap, srvCA.cert, root); err != nil {
		return nil, err
	}
	if err := box.populate(ctx, signum.PinOf(ap.cert.Raw)); err != nil {
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

// pkiAddr keeps the port that the certificates of an existing directory name,
// if it is still free.
func pkiAddr(cfg Config, dir, host string) string {
	if cfg.PKIAddr != "" {
		return cfg.PKIAddr
	}
	free := net.JoinHostPort(host, "0")
	info, err := ReadInfo(dir)
	if err != nil {
		return free
	}
	u, err := url.Parse(info.PKIURL)
	if err != nil || u.Host == "" {
		return free
	}
	l, err := net.Listen("tcp", u.Host)
	if err != nil {
		return free
	}
	l.Close()
	return u.Host
}

// hint says what to do about the most common trouble.
func hint(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "listen" {
		return fmt.Errorf("%w; another sandbox may be running: choose another address, port 0 for a free one", err)
	}
	return err
}
