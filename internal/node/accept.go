package node

import (
	"errors"
	"log/slog"
	"net"

	"github.com/signum-mssp/signum/internal/metrics"
)

// watchedListener makes visible that connections cannot be accepted, for lack of
// file descriptors for example. net/http tries again by itself, and says so where
// nobody looks.
type watchedListener struct {
	net.Listener
	name    string
	log     *slog.Logger
	metrics *metrics.Metrics
}

func (l *watchedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil && !errors.Is(err, net.ErrClosed) {
		l.metrics.AcceptErrors(l.name, 1)
		l.log.Error("a connection could not be accepted", "listener", l.name, "err", err)
	}
	return c, err
}
