package app

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/signum-mssp/signum/internal/mssp"
)

// badNetwork is a proxy that duplicates and reorders frames and breaks the
// connection, in both directions.
type badNetwork struct {
	to string
	mu sync.Mutex
	r  *rand.Rand
}

func (n *badNetwork) chance(percent int) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.r.IntN(100) < percent
}

func (n *badNetwork) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	near, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = near.CloseNow() }()
	near.SetReadLimit(-1)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	far, err := dial(ctx, n.to, nil)
	if err != nil {
		return
	}
	defer func() { _ = far.CloseNow() }()
	far.SetReadLimit(-1)
	var wg sync.WaitGroup
	wg.Go(func() { defer cancel(); n.pipe(ctx, near, far) })
	n.pipe(ctx, far, near)
	cancel()
	wg.Wait()
}

func (n *badNetwork) pipe(ctx context.Context, from, to *websocket.Conn) {
	var kept [][]byte
	for first := true; ; first = false {
		_, b, err := from.Read(ctx)
		if err != nil || (!first && n.chance(3)) {
			return
		}
		kept = append(kept, b)
		if !first && n.chance(20) { // let the next one overtake
			continue
		}
		slices.Reverse(kept)
		for _, b := range kept {
			for again := true; again; again = n.chance(20) {
				if to.Write(ctx, websocket.MessageText, b) != nil {
					return
				}
			}
		}
		kept = nil
	}
}

// screen is the screen of an App that follows the protocol: it shows each
// request once.
type screen struct {
	mu    sync.Mutex
	shown map[string]int // how often each came on the screen
	todo  chan string
}

func (s *screen) show(id, op string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := op + " " + id
	if s.shown[name]++; s.shown[name] > 1 { // the App remembers what it has shown
		s.shown[name] = 1
		return
	}
	s.todo <- id
}

func (s *screen) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.shown)
}

// live keeps reconnecting and shows what arrives. If a connection brought nothing
// new, the next one gets more time.
func (s *screen) live(ctx context.Context, p *phone, url string) {
	const least = 50 * time.Millisecond
	quiet := least
	for ctx.Err() == nil {
		before := s.count()
		ws, err := dial(ctx, url, nil)
		if err != nil {
			continue
		}
		ws.SetReadLimit(-1)
		in := &inbox{p.w.t, ws}
		if ws.Write(ctx, websocket.MessageText, []byte(`{"type":"hello","proof":"`+p.proof("GET", "/app/v2/inbox", nil)+`"}`)) == nil {
			s.listen(ctx, in, quiet)
		}
		_ = ws.CloseNow()
		if quiet = min(2*quiet, patience/20); s.count() > before {
			quiet = least
		}
	}
}

// listen returns when nothing arrives for a while: a frame that was held back may
// never arrive.
func (s *screen) listen(ctx context.Context, in *inbox, quiet time.Duration) {
	for {
		limit, cancel := context.WithTimeout(ctx, quiet)
		_, b, err := in.ws.Read(limit)
		cancel()
		if err != nil {
			return
		}
		m, err := decodeMessage(b)
		if err != nil {
			in.t.Error(err)
		}
		for _, r := range m.Requests {
			s.show(r.ID, r.Op)
		}
		if m.Type == "request" {
			s.show(m.Request.ID, m.Request.Op)
		}
	}
}

func TestBadNetwork(t *testing.T) {
	t.Parallel()
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	w := newWorld(t)
	proxy := httptest.NewServer(&badNetwork{to: w.url() + "/app/v2/inbox", r: rand.New(rand.NewPCG(uint64(seed), 1))})
	defer proxy.Close()
	p := w.enrol(alice)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	const n = 1000
	s := &screen{shown: make(map[string]int), todo: make(chan string, 2*n)}
	var wg sync.WaitGroup
	stop := func() {
		cancel()
		wg.Wait()
	}
	defer stop() // before what they use is closed
	wg.Go(func() { s.live(ctx, p, proxy.URL) })
	wg.Go(func() { p.acknowledge(ctx, s.todo) })
	for i := range n {
		w.ask(p, fmt.Sprintf("h%d", i), display)
	}
	eventually(t, "all requests are answered", func() bool { return len(w.engine.answered()) >= n })
	stop()
	if s.count() != n {
		t.Errorf("%d shown", s.count())
	}
	seen := make(map[string]int)
	for _, a := range w.engine.answered() {
		seen[a.TransID]++
	}
	for id, times := range seen {
		if times != 1 {
			t.Errorf("%s was answered %d times", id, times)
		}
	}
	w.server.registry.mu.Lock()
	defer w.server.registry.mu.Unlock()
	if x := w.server.registry.mailboxes[p.device]; x != nil && len(x.requests) > 0 {
		t.Errorf("%d requests are left", len(x.requests))
	}
}

// acknowledge presses OK, and repeats the answer.
func (p *phone) acknowledge(ctx context.Context, todo <-chan string) {
	for {
		select {
		case <-ctx.Done():
			return
		case id := <-todo:
			body := obj{"id": id, "op": "display", "receipt": "OK"}
			if r := p.answer(body); r.status != 204 && r.status != 409 {
				p.w.t.Errorf("%s: %d %s", id, r.status, r.body)
			}
			if r := p.answer(body); r.status != 409 {
				p.w.t.Errorf("%s again: %d %s", id, r.status, r.body)
			}
		}
	}
}

// Requests sent while an App connects are in the sync or follow it.
func TestSendDuringSync(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.enrol(alice)
	for round := range 50 {
		var wg sync.WaitGroup
		const n = 20
		wg.Go(func() {
			for i := range n {
				w.ask(p, fmt.Sprintf("h%d-%d", round, i), display)
			}
		})
		in := p.connect()
		have := make(map[string]bool)
		in.expect("welcome")
		for _, r := range in.expect("sync").Requests {
			have[r.ID] = true
		}
		wg.Wait()
		for len(have) < n {
			have[in.expect("request").Request.ID] = true
		}
		for i := range n {
			id := fmt.Sprintf("h%d-%d", round, i)
			if !have[id] {
				t.Fatalf("%s is lost", id)
			}
			w.engine.withdraw(mssp.DeviceRequest{DeviceID: p.device, TransID: id, Op: mssp.OpDisplay})
			w.server.Cancel(context.Background(), withdrawal(p, id))
		}
		_ = in.ws.CloseNow()
	}
}

func decodeMessage(b []byte) (m message, err error) {
	if err := contractFrame("ServiceFrame", b); err != nil {
		return m, errors.Join(err, errors.New(string(b)))
	}
	return m, jsonUnmarshal(b, &m)
}
