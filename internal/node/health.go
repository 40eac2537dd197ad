package node

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/signum-mssp/signum/internal/event"
)

// pingTimeout is how long the store may take to be ready.
const pingTimeout = 2 * time.Second

// phase is where a node is in its life.
type phase int32

const (
	starting phase = iota
	running
	draining
	stopping
)

func (p phase) String() string {
	return [...]string{"starting", "running", "draining", "stopping"}[p]
}

// health is what the ops listener tells of a node.
type health struct {
	phase  atomic.Int32
	ping   func(context.Context) error // of the store
	asking singleflight.Group          // pings
	outage outage                      // of the store
}

func (h *health) set(p phase) { h.phase.Store(int32(p)) }

// check is something without which a node should get no requests.
type check struct {
	name string
	run  func(context.Context) error
	list func() string // details, one in a line; nil: none
}

func (n *Node) checks() []check {
	all := []check{{"listeners", n.serves, nil}, {"store", n.pingStore, nil}}
	if n.peers != nil {
		all = append(all, check{"cluster", n.inTouch, n.peerList}, check{"clock", n.clockAgrees, n.clockList})
	}
	if n.smscs != nil {
		all = append(all, check{"smsc", n.smscBound, n.smscList})
	}
	return all
}

// NotReady reports why the node should get no requests; nil if it should.
func (n *Node) NotReady(ctx context.Context) error {
	for _, c := range n.checks() {
		if err := c.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return nil
}

// Progress returns when the engine last came round to look for what is overdue, whether
// the store let it do its work or not. A node for which this time stands still hangs. It
// is zero before Run.
func (n *Node) Progress() time.Time { return n.engine.Progress() }

// Stopping reports whether the node has been told to end.
func (n *Node) Stopping() bool { return phase(n.health.phase.Load()) >= draining }

// serves fails unless the listeners are served.
func (n *Node) serves(context.Context) error {
	switch p := phase(n.health.phase.Load()); p {
	case running:
		return nil
	case draining:
		return fmt.Errorf("the node is draining, requests under way: %d", n.doors.mss.Busy())
	default:
		return fmt.Errorf("the node is %s", p)
	}
}

// pingStore asks the store. A disk or network that hangs may hold a query for longer
// than its context, so there is one at a time, and all who ask share its answer.
func (n *Node) pingStore(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	answer := n.health.asking.DoChan("", func() (_ any, err error) {
		defer event.RescueTo(&err, n.deps.Logger, "store ping")
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pingTimeout)
		defer cancel()
		return nil, n.health.ping(ctx)
	})
	select {
	case a := <-answer:
		return a.Err
	case <-ctx.Done():
		return fmt.Errorf("no answer: %w", ctx.Err())
	}
}

// opsHandler serves metrics and health. Both are for the operator only, and tell no
// number, text or key.
func (n *Node) opsHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", n.metrics.Handler(n.deps.Logger))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", n.ready)
	return mux
}

// ready answers 200, or 503 with the names of the checks that failed. With ?verbose
// it lists all checks and why they failed; ?exclude=NAME leaves one out, and can be
// repeated.
func (n *Node) ready(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	var failed []string
	var list strings.Builder
	for _, c := range n.checks() {
		if slices.Contains(query["exclude"], c.name) {
			continue
		}
		if err := c.run(r.Context()); err == nil {
			fmt.Fprintf(&list, "[+] %s: ok\n", c.name)
		} else {
			failed = append(failed, c.name)
			fmt.Fprintf(&list, "[-] %s: %v\n", c.name, err)
		}
		if c.list != nil {
			list.WriteString(c.list())
		}
	}
	status, text := http.StatusOK, "ready\n"
	if len(failed) > 0 {
		status, text = http.StatusServiceUnavailable, "not ready: "+strings.Join(failed, ", ")+"\n"
	}
	if query.Has("verbose") {
		text = list.String() + text
	}
	plain(w, status, text)
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}
