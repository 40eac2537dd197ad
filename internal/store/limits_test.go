package store

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/pgtest"
)

// network is a TCP proxy that can stop forwarding, like a network that is cut:
// connections stay open, and neither side learns of it.
type network struct {
	listener net.Listener
	target   string
	running  sync.WaitGroup

	mu    sync.Mutex
	whole sync.Cond
	isCut bool
	conns []net.Conn
}

func newNetwork(t *testing.T, target string) *network {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &network{listener: l, target: target}
	n.whole.L = &n.mu
	n.running.Go(n.serve)
	t.Cleanup(n.close)
	return n
}

func (n *network) serve() {
	for {
		client, err := n.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", n.target)
		if err != nil {
			client.Close()
			continue
		}
		n.mu.Lock()
		n.conns = append(n.conns, client, server)
		n.mu.Unlock()
		n.running.Go(func() { n.carry(client, server) })
		n.running.Go(func() { n.carry(server, client) })
	}
}

func (n *network) carry(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 64<<10)
	for {
		k, err := from.Read(buf)
		n.mu.Lock()
		for n.isCut {
			n.whole.Wait()
		}
		n.mu.Unlock()
		if err != nil {
			return
		}
		if _, err := to.Write(buf[:k]); err != nil {
			return
		}
	}
}

func (n *network) cut(cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.isCut = cut
	n.whole.Broadcast()
}

func (n *network) close() {
	n.cut(false)
	n.listener.Close()
	n.mu.Lock()
	for _, c := range n.conns {
		c.Close()
	}
	n.mu.Unlock()
	n.running.Wait()
}

func withLimits(l limits) Option { return func(o *options) { o.limits = l } }

// If the network is cut, reads and writes fail in bounded time, with an error that
// names the limit and its length. When the network is back, the store works again.
func TestNetworkCut(t *testing.T) {
	u, err := url.Parse(pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	n := newNetwork(t, u.Host)
	u.Host = n.listener.Addr().String()
	l := limits{connect: time.Second, read: 700 * time.Millisecond, write: 900 * time.Millisecond}
	s, ctx := open(t, u.String(), withLimits(l)), t.Context()
	party := &mssp.Party{ID: "p"}
	if err := s.PutParty(ctx, party); err != nil {
		t.Fatal(err)
	}
	n.cut(true)
	for _, call := range []struct {
		limit string
		after time.Duration
		run   func() error
	}{
		{"query", l.read, func() error { _, err := s.Subscriber(ctx, "+1"); return err }},
		{"transaction", l.write, func() error { return s.PutParty(ctx, party) }},
	} {
		begin := time.Now()
		err := call.run()
		took := time.Since(begin)
		var limit *TimeoutError
		if !errors.As(err, &limit) || limit.Limit != call.limit || limit.After != call.after ||
			!errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), call.limit+" timeout of the store: not done after "+call.after.String()) {
			t.Errorf("%s: %v", call.limit, err)
		}
		if took > time.Minute {
			t.Errorf("%s: took %v", call.limit, took)
		}
	}
	n.cut(false)
	for end := time.Now().Add(time.Minute); ; {
		err := s.PutParty(ctx, party)
		if err == nil {
			_, err = s.Subscriber(ctx, "+1")
		}
		if errors.Is(err, mssp.ErrNotFound) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("after the network is back: %v", err)
		}
	}
}

// A write that PostgreSQL rolls back in favour of others is run again, but not
// forever.
func TestTransientErrors(t *testing.T) {
	for _, code := range []string{"40001", "40P01", "23514"} {
		for _, failures := range []int{1, maxAttempts - 1, 100} {
			s := open(t, pgtest.URL(t))
			raise := &query{text: `DO $$ BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = '` + code + `'; END $$`}
			runs := 0
			w := putParty("p")
			w.then = func(ctx context.Context, s *session, _ int64) error {
				if runs++; runs > failures+1 { // the first run is in the group
					return nil
				}
				_, err := s.conn.ExecContext(ctx, raise.text)
				return err
			}
			err := s.write(t.Context(), w)
			again := code != "23514"
			if ok := again && failures < maxAttempts; (err == nil) != ok {
				t.Errorf("%s, %d times: %v", code, failures, err)
			}
			if want := min(failures+2, maxAttempts+1); again && runs != want || !again && runs != 2 {
				t.Errorf("%s, %d times: %d runs", code, failures, runs)
			}
		}
	}
}

// Every transaction has the isolation that the statements need, and the limits in the
// URL take precedence over the defaults.
func TestPostgresSettings(t *testing.T) {
	base := pgtest.URL(t)
	if s := open(t, base); s.write(t.Context(), &write{then: func(ctx context.Context, s *session, _ int64) error {
		_, err := s.conn.ExecContext(ctx, `DO $$ BEGIN EXECUTE 'ALTER DATABASE "' || current_database() || '" SET default_transaction_isolation = serializable'; END $$`)
		return err
	}}) != nil {
		t.Fatal("default isolation not set")
	}
	for _, test := range []struct{ params, statement, idle string }{
		{"", "15s", "15s"},
		{"&statement_timeout=7000&idle_in_transaction_session_timeout=8s", "7s", "8s"},
		{"&pooler=transaction", "15s", "15s"},
		{"&pooler=transaction&statement_timeout=7000", "7s", "15s"},
	} {
		s := open(t, base+test.params)
		got := make([]string, 4)
		if err := s.write(t.Context(), &write{then: func(ctx context.Context, s *session, _ int64) error {
			return s.conn.QueryRowContext(ctx, `SELECT current_setting('transaction_isolation'), current_setting('statement_timeout'),
				current_setting('idle_in_transaction_session_timeout'), current_setting('lock_timeout')`).Scan(&got[0], &got[1], &got[2], &got[3])
		}}); err != nil {
			t.Fatal(err)
		}
		if want := []string{"read committed", test.statement, test.idle, "500ms"}; strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%q: %v, want %v", test.params, got, want)
		}
	}
	for _, bad := range []string{"pooler=session", "keepalives_idle=soon", "tcp_user_timeout=-1"} {
		if s, err := Open(t.Context(), base+"&"+bad, quiet); err == nil {
			s.Close()
			t.Errorf("%s: taken", bad)
		}
	}
	open(t, base+"&keepalives=0&keepalives_idle=9&keepalives_interval=9&keepalives_count=9&tcp_user_timeout=0&connect_timeout=3")
}
