package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/signum-mssp/signum/internal/admin"
	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/door"
	"github.com/signum-mssp/signum/internal/mssp"
)

// maxAdmins is how many connections the administration socket takes at once.
const maxAdmins = 32

// adminLimit is how long a client of the administration may take for a request, and for
// each piece of an answer.
const adminLimit = time.Minute

// newAdmin binds the socket of the administration.
func (n *Node) newAdmin(ctx context.Context) error {
	path := n.cfg.Listen.Admin.Socket
	if path == "" {
		return nil
	}
	l, err := listenSocket(ctx, path)
	if err != nil {
		return &config.Problem{Path: "listen.admin.socket", Text: err.Error(), Err: err}
	}
	n.onClose(func() error {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) { // a server that ran has closed it
			return err
		}
		return nil
	})
	n.deps.Logger.InfoContext(ctx, "listening", "listener", "admin", "address", path)
	n.doors.admin = door.New(door.Config{
		Name: "admin", Listener: l, Handler: n.adminHandler(), ReadTimeout: adminLimit, WriteTimeout: adminLimit,
		Most: maxAdmins, PerAddress: maxAdmins, Exempt: func(netip.Addr) bool { return true },
		Log: n.deps.Logger, ErrorLog: n.httpLog,
		Failed:  func() { n.metrics.AcceptErrors("admin", 1) },
		Refused: func(reason string) { n.metrics.RefusedConnections("admin", reason, 1) },
	})
	return nil
}

func (n *Node) adminHandler() http.Handler {
	return admin.Handler(admin.Config{
		Store: n.Store, Apps: n.Apps, Cards: n.Cards, Traces: n, NewSerial: ca.NewSerial, Revoke: n.CA.Revoke,
		Recheck: n.engine.Recheck, EndSessions: n.endSessions, Notifier: n.accounts,
		PhonePage: func(code string) string { return n.WebURL() + "/phone?code=" + code },
		Clock:     n.deps.Clock, Log: n.deps.Logger,
	})
}

var _ admin.Traces = (*Node)(nil)

// listenSocket binds a Unix socket that only this user and root can open. A socket that a
// process left behind is replaced; one that answers is not.
func listenSocket(ctx context.Context, path string) (net.Listener, error) {
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case info.Mode()&fs.ModeSocket == 0:
		return nil, fmt.Errorf("%s is there and is not a socket", path)
	default:
		var d net.Dialer
		if c, err := d.DialContext(ctx, "unix", path); err == nil {
			c.Close()
			return nil, fmt.Errorf("another process listens on %s", path)
		}
	}
	// The socket gets its mode where nobody else can reach it, then its name.
	dir, err := os.MkdirTemp(filepath.Dir(path), ".admin-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	hidden := filepath.Join(dir, "s")
	bound, err := net.ListenUnix("unix", &net.UnixAddr{Name: hidden, Net: "unix"})
	if err != nil {
		return nil, err
	}
	bound.SetUnlinkOnClose(false)
	l := &socket{UnixListener: bound, path: path}
	if err := errors.Join(os.Chmod(hidden, 0o600), os.Rename(hidden, path)); err != nil {
		return nil, errors.Join(err, bound.Close())
	}
	if l.info, err = os.Lstat(path); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// socket is a listener that removes its file when it is closed, unless the file is that of
// another process by now.
type socket struct {
	*net.UnixListener
	path string
	info fs.FileInfo
}

func (s *socket) Close() error {
	if now, err := os.Lstat(s.path); err == nil && os.SameFile(now, s.info) {
		os.Remove(s.path)
	}
	return s.UnixListener.Close()
}

var _ admin.Store = mssp.Store(nil)
