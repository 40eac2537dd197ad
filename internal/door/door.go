package door

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/signum-mssp/signum/internal/event"
)

// Time limits that are the same for every door.
const (
	headerTimeout = 10 * time.Second // for a handshake, and for the header of a request
	idleTimeout   = 2 * time.Minute
	drainTimeout  = 5 * time.Second
	bodyTimeout   = 500 * time.Millisecond // for the rest of a body, once the door closes
	maxHeader     = 16 << 10               // bytes
)

// Config describes a door. Listener, Handler, Log and the two time limits must be
// set.
type Config struct {
	Name         string // for the log
	Listener     net.Listener
	TLS          *tls.Config // nil: plain HTTP
	Handler      http.Handler
	ReadTimeout  time.Duration // for a request to arrive, header and body
	WriteTimeout time.Duration // for each piece of an answer to be taken
	// Most is how many connections there may be, PerAddress how many from one address.
	Most, PerAddress int
	// Streams is how many requests may be open at once on one HTTP/2 connection; 0: as
	// many as net/http allows. A connection that is not Known gets strangerStreams at
	// most.
	Streams int
	// Exempt says which addresses PerAddress is not for; nil: none.
	Exempt func(netip.Addr) bool
	// Proxy says which peers begin each connection with a header of PROXY protocol
	// version 2, which names the client; nil: none. From others such a header is
	// refused, because it is neither TLS nor HTTP.
	Proxy func(netip.Addr) bool
	// Known says whose connections do not count by address after the TLS handshake;
	// nil: nobody's.
	Known func(tls.ConnectionState) bool
	// Stopping is the cause with which the contexts of requests end when the door
	// closes. Nil: they go on until the drain time-out.
	Stopping error
	Log      *slog.Logger
	ErrorLog *log.Logger // of net/http
	// Failed counts connections that could not be accepted, for lack of file
	// descriptors for example.
	Failed func()
	// Refused counts connections that were closed, by reason.
	Refused func(reason string)
}

// Reasons are all those of Refused.
func Reasons() []string {
	return []string{ReasonAddress, ReasonListener, ReasonProxy, ReasonFraming, ReasonStreams}
}

// Door serves one listener.
type Door struct {
	Config
	entrance *entrance
	census   *census
	inside   inside
	unused   idleConns
	h2       multiplexed

	srv      *http.Server
	stop     context.CancelCauseFunc // ends all requests
	leaving  atomic.Bool             // since Farewell
	draining atomic.Bool             // since Drain
}

// New returns a door that Run will open.
func New(c Config) *Door {
	d := &Door{Config: c, census: newCensus(c.Most, c.PerAddress)}
	if c.TLS != nil {
		d.TLS = c.TLS.Clone()
		d.TLS.NextProtos = []string{"h2", "http/1.1"}
	}
	d.entrance = newEntrance(d)
	requests, stop := context.WithCancelCause(context.Background())
	d.srv, d.stop = d.server(requests), stop
	return d
}

// Open returns how many connections there are.
func (d *Door) Open() int { return d.census.count() }

// Limit replaces Most and PerAddress. Connections that are too many now stay.
func (d *Door) Limit(most, perAddress int) { d.census.limit(most, perAddress) }

// Limits returns what Limit set, or New.
func (d *Door) Limits() (most, perAddress int) { return d.census.limits() }

// ErrPanic is the error of a server that panicked; the log has the stack.
var ErrPanic = errors.New("internal error")

// Run serves until ctx ends, then stops: no new requests, and at most drainTimeout for
// those under way. It can be called once.
func (d *Door) Run(ctx context.Context) error {
	defer d.stop(nil)
	ended := make(chan error, 1)
	d.entrance.open()
	go func() {
		defer event.Rescue(d.Log, "HTTP listener", func() { ended <- ErrPanic; close(ended) })
		ended <- served(d.srv.Serve(d.entrance))
		close(ended)
	}()
	select {
	case err := <-ended:
		if err != nil || !d.draining.Load() {
			return errors.Join(err, d.entrance.Close())
		}
		<-ctx.Done() // Drain goes on until then
	case <-ctx.Done():
	}
	return d.end(ctx, ended)
}

// end stops serving.
func (d *Door) end(ctx context.Context, ended <-chan error) error {
	if d.Stopping != nil {
		d.stop(d.Stopping)
	}
	d.inside.hurry(time.Now().Add(bodyTimeout))
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	err := errors.Join(shutdown(last, d.srv), <-ended)
	if late := d.inside.wait(last); late != nil && err == nil {
		err = fmt.Errorf("requests still under way after %s", drainTimeout)
	}
	return err
}

func (d *Door) server(requests context.Context) *http.Server {
	srv := &http.Server{
		Handler:           event.Handler(d.Log, "HTTP handler", d.inside.count(d.lastOnes(d.unambiguous(d.bounded(d.patient(d.Handler)))))),
		TLSConfig:         d.TLS,
		ReadTimeout:       d.ReadTimeout,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          d.ErrorLog,
		BaseContext: func(net.Listener) context.Context {
			d.serveH2(d.srv)
			return requests
		},
		HTTP2:       &http.HTTP2Config{MaxConcurrentStreams: d.Streams},
		ConnContext: withConn,
		// OPTIONS * is a request like others: each has its check.
		DisableGeneralOptionsHandler: true,
	}
	d.unused.watch(srv)
	closeIdle := srv.ConnState
	srv.ConnState = func(c net.Conn, s http.ConnState) {
		if h2, ok := c.(*h2conn); ok {
			c = h2.Conn // as net/http knows it at first
		}
		closeIdle(c, s)
		if below := connOf(c); below != nil && s != http.StateClosed {
			d.census.rest(below, s == http.StateNew || s == http.StateIdle)
		}
		if f := framingOf(c); f != nil && s == http.StateHijacked {
			f.state = off // what follows is not HTTP
		}
	}
	return srv
}

// served returns nil after a shutdown.
func served(err error) error {
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
