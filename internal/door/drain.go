package door

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

// settleTime is how long those who have just connected get to send their request, and
// those who were told to send no more get to read that.
const settleTime = time.Second

// Busy is how many requests are under way.
func (d *Door) Busy() int { return d.inside.len() }

// Farewell makes the connections of clients that go on sending requests end by
// themselves: the answer to each new request over HTTP/1.1 is the last one of its
// connection, and clients of HTTP/2 are told to send no more on theirs. New connections
// are still accepted.
//
// A client may be about to use a connection that the door closes, and then it cannot
// know whether its request was read. The more connections have ended before Drain closes
// those that rest, the less often that happens.
func (d *Door) Farewell() {
	d.leaving.Store(true)
	d.farewellH2()
}

// lastOnes is next for connections that end after this request, once the door says
// farewell. HTTP/2 has a frame for that.
func (d *Door) lastOnes(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.leaving.Load() && r.ProtoMajor == 1 {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// Drain stops accepting connections and closes those without a request. It waits until
// no request is under way, or until ctx ends; then the error is that of ctx, and the
// requests still go on. Run must be told to end after that.
func (d *Door) Drain(ctx context.Context) error {
	d.leaving.Store(true)
	d.draining.Store(true)
	if err := d.Listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	d.srv.SetKeepAlivesEnabled(false) // closes connections that rest
	if d.farewellH2() > 0 || d.entrance.waiting() > 0 || d.unused.len() > 0 {
		settled := time.NewTimer(settleTime)
		defer settled.Stop()
		select {
		case <-settled.C:
		case <-ctx.Done():
		}
	}
	return errors.Join(d.srv.Shutdown(ctx), d.inside.wait(ctx))
}
