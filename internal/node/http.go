package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/event"
)

// Timeouts of the listeners. Answers have none: a request may wait 300 s for its
// user, and the engine ends it.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	drainTimeout  = 5 * time.Second
	maxHeader     = 16 << 10 // bytes
)

// errStopping is the answer to waiting requests when the node stops. Their
// transactions continue when it starts again.
var errStopping = signum.Faultf(signum.InternalError, "The service is stopping")

// front serves HTTP on one listener.
type front struct {
	listener net.Listener
	tls      *tls.Config // nil: plain http
	handler  http.Handler
	// interrupt ends the contexts of requests with errStopping when the node
	// stops. Without it they have until the drain time-out.
	interrupt bool
	log       *slog.Logger
	errorLog  *log.Logger // of net/http
}

// run serves until ctx ends, then stops: no new requests, and at most
// drainTimeout for those under way.
func (f *front) run(ctx context.Context) error {
	requests, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	srv := &http.Server{
		Handler:           event.Handler(f.log, "HTTP handler", f.handler),
		TLSConfig:         f.tls,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          f.errorLog,
		BaseContext:       func(net.Listener) context.Context { return requests },
	}
	new(idleConns).watch(srv)
	ended := make(chan error, 1)
	go func() {
		defer event.Rescue(f.log, "HTTP listener", func() { ended <- errPanic })
		ended <- f.serve(srv)
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	if f.interrupt {
		stop(errStopping)
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	return errors.Join(shutdown(drain, srv), <-ended)
}

// serve returns nil after a shutdown.
func (f *front) serve(srv *http.Server) error {
	err := error(nil)
	if f.tls == nil {
		err = srv.Serve(f.listener)
	} else {
		err = srv.ServeTLS(f.listener, "", "")
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func shutdown(ctx context.Context, srv *http.Server) error {
	err := srv.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.Join(fmt.Errorf("connections still open after %s", drainTimeout), srv.Close())
	}
	return err
}
