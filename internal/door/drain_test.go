package door

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"
)

// opened is a door that runs, with requests that wait for the test.
type opened struct {
	*Door
	t       *testing.T
	addr    string
	entered chan struct{} // one for each request to /wait
	answer  chan struct{} // answers them, once closed
	stop    func() error  // ends Run
}

var errTest = errors.New("stopping")

func openDoor(t *testing.T, l net.Listener) *opened {
	t.Helper()
	if l == nil {
		var err error
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	o := &opened{t: t, addr: l.Addr().String(), entered: make(chan struct{}, 10), answer: make(chan struct{})}
	o.Door = New(Config{
		Name: "test", Listener: l, Log: slog.New(slog.DiscardHandler), ErrorLog: log.New(io.Discard, "", 0), TLS: selfSigned(t),
		ReadTimeout: time.Minute, WriteTimeout: time.Minute, Most: 100, PerAddress: 100, Stopping: errTest, Failed: func() {}, Refused: func(string) {},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/wait" {
				return
			}
			o.entered <- struct{}{}
			select {
			case <-o.answer:
			case <-r.Context().Done():
				http.Error(w, context.Cause(r.Context()).Error(), http.StatusServiceUnavailable)
			}
		}),
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- o.Run(ctx) }()
	o.stop = func() error {
		cancel()
		return <-ended
	}
	return o
}

// client has connections of its own.
func (o *opened) client(h2 bool) *http.Client {
	tr := &http.Transport{ForceAttemptHTTP2: h2, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	if !h2 {
		tr.TLSClientConfig.NextProtos = []string{"http/1.1"}
	}
	o.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

type got struct {
	status int
	last   bool // of its connection
	err    error
}

func (o *opened) get(c *http.Client, path string) got {
	resp, err := c.Get("https://" + o.addr + path)
	if err != nil {
		return got{err: err}
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return got{resp.StatusCode, resp.Close, err}
}

// waits begins a request that waits.
func (o *opened) waits(c *http.Client) <-chan got {
	answer := make(chan got, 1)
	go func() { answer <- o.get(c, "/wait") }()
	<-o.entered
	return answer
}

// refuses waits until nobody can connect.
func (o *opened) refuses() {
	for {
		c, err := net.Dial("tcp", o.addr)
		if err != nil {
			return
		}
		c.Close()
	}
}

// TestDrain: those who wait get their answers, and nobody else gets in.
func TestDrain(t *testing.T) {
	t.Parallel()
	for name, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := openDoor(t, nil)
			rests := o.client(h2)
			if g := o.get(rests, "/"); g != (got{status: 200}) {
				t.Fatalf("before: %+v", g)
			}
			answer := o.waits(o.client(h2))
			drained := make(chan error, 1)
			go func() { drained <- o.Drain(t.Context()) }()
			o.refuses()
			select {
			case err := <-drained:
				t.Fatalf("Drain has ended while a request waits: %v", err)
			default:
			}
			if n := o.Busy(); n != 1 {
				t.Errorf("%d requests are under way", n)
			}
			close(o.answer)
			if g := <-answer; g.status != 200 || g.err != nil || g.last != !h2 {
				t.Errorf("the request that waited: %+v", g)
			}
			if err := <-drained; err != nil {
				t.Error(err)
			}
			if g := o.get(rests, "/"); g.err == nil {
				t.Errorf("a connection that rested is still served: %+v", g)
			}
			if err := o.stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestDrainTimeout: who waits longer than the drain is told when the door closes.
func TestDrainTimeout(t *testing.T) {
	t.Parallel()
	o := openDoor(t, nil)
	answer := o.waits(o.client(false))
	ctx, cancel := context.WithCancel(t.Context())
	drained := make(chan error, 1)
	go func() { drained <- o.Drain(ctx) }()
	o.refuses()
	cancel()
	if err := <-drained; !errors.Is(err, context.Canceled) {
		t.Errorf("Drain: %v", err)
	}
	select {
	case g := <-answer:
		t.Errorf("answered by Drain: %+v", g)
	default:
	}
	if err := o.stop(); err != nil {
		t.Error(err)
	}
	if g := <-answer; g.status != 503 {
		t.Errorf("the request that waited: %+v", g)
	}
}

// TestFarewell: connections that are used end with an answer, and new ones are
// accepted.
func TestFarewell(t *testing.T) {
	t.Parallel()
	o := openDoor(t, nil)
	old := o.client(false)
	if g := o.get(old, "/"); g != (got{status: 200}) {
		t.Fatalf("before: %+v", g)
	}
	o.Farewell()
	for name, c := range map[string]*http.Client{"old": old, "new": o.client(false)} {
		if g := o.get(c, "/"); g != (got{status: 200, last: true}) {
			t.Errorf("%s: %+v", name, g)
		}
	}
	if g := o.get(o.client(true), "/"); g != (got{status: 200}) {
		t.Errorf("HTTP/2: %+v", g)
	}
	if err := o.stop(); err != nil {
		t.Error(err)
	}
}

// TestDrainSharedSocket: a socket that others have, too, goes on accepting for them.
func TestDrainSharedSocket(t *testing.T) {
	t.Parallel()
	theirs, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	file, err := theirs.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	ours, err := net.FileListener(file)
	if err != nil {
		t.Fatal(err)
	}
	o := openDoor(t, ours)
	if err := errors.Join(o.Drain(t.Context()), o.stop()); err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("tcp", o.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c, err := theirs.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
