package app

import (
	"context"
	"net"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// watched counts the connections whose client is known.
type watched struct {
	net.Listener
	known atomic.Int32
}

type watchedConn struct {
	net.Conn
	of *watched
}

func (l *watched) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &watchedConn{c, l}, err
}

func (c *watchedConn) Vouch() { c.of.known.Add(1) }

// TestVouch: the listener learns that a connection is that of an enrolled App when the
// App has proved it, so that it no longer counts against its address.
func TestVouch(t *testing.T) {
	w := newWorld(t)
	p := w.enrol(alice)
	srv := httptest.NewUnstartedServer(w.server.Handler())
	l := &watched{Listener: srv.Listener}
	srv.Listener = l
	srv.Start()
	defer srv.Close()
	ws, err := dial(context.Background(), srv.URL+"/app/v2/inbox", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	if n := l.known.Load(); n != 0 {
		t.Errorf("%d connections are known before the proof", n)
	}
	in := &inbox{t, ws}
	in.say(obj{"type": "hello", "proof": p.proof("GET", "/app/v2/inbox", nil)})
	in.expect("welcome")
	if n := l.known.Load(); n != 1 {
		t.Errorf("%d connections are known after the proof", n)
	}
}
