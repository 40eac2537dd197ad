package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/pgtest"
	"github.com/signum-mssp/signum/internal/store/storetest"
)

func TestInterrupted(t *testing.T) {
	for code, want := range map[string]bool{
		"57P01": true, "57P02": true, "57P03": true, "25006": true, "53300": true, "08006": true, "08001": true,
		"57014": false, "40001": false, "40P01": false, "23505": false, "28P01": false, "3D000": false, "53100": false,
	} {
		if got := interrupted(fmt.Errorf("store: %w", &pgconn.PgError{Code: code})); got != want {
			t.Errorf("%s: %v", code, got)
		}
	}
	for _, err := range []error{unreachable(t), io.EOF, io.ErrUnexpectedEOF, driver.ErrBadConn, &net.OpError{Op: "read", Err: errors.New("connection reset by peer")}} {
		if !interrupted(fmt.Errorf("store: %w", err)) {
			t.Errorf("%v does not count as an interruption", err)
		}
	}
	for _, err := range []error{nil, context.Canceled, context.DeadlineExceeded, &TimeoutError{}, errors.New("x"), mssp.ErrNotFound} {
		if interrupted(err) {
			t.Errorf("%v counts as an interruption", err)
		}
	}
}

// unreachable is the error of a connection to a machine that does not answer.
func unreachable(t *testing.T) error {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = pgconn.Connect(ctx, "postgres://u@"+l.Addr().String()+"/db?sslmode=disable")
	return err
}

// The machine of the server does not answer: connections to it are neither accepted nor
// refused. Writes and reads wait until it does.
func TestServerOutOfReach(t *testing.T) {
	t.Parallel()
	server, err := pgtest.NewServer(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	defer server.Remove()
	u, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	machine := &silentMachine{to: u.Host}
	u.Host = machine.listen(t)
	s := openURL(t, u.String()+"&connect_timeout=1")
	machine.silence(4) // of one writer and one reader: some of these time out
	var g sync.WaitGroup
	tx := storetest.NewTransaction(1)
	g.Go(func() {
		if err := s.InsertTransaction(t.Context(), tx); err != nil {
			t.Error(err)
		}
	})
	g.Go(func() {
		if _, err := s.Transaction(t.Context(), "unknown"); !errors.Is(err, mssp.ErrNotFound) {
			t.Error(err)
		}
	})
	g.Wait()
	if _, err := s.Transaction(t.Context(), tx.ID); err != nil {
		t.Error(err)
	}
}

// silentMachine is between a store and its server. It can cut their connections, and then leaves
// a number of new ones without an answer.
type silentMachine struct {
	to string

	mu     sync.Mutex
	ends   []net.Conn
	silent int // connections, from now on
}

func (m *silentMachine) listen(t *testing.T) (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		m.silence(0)
		work.Wait()
	})
	work.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			if !m.answers(near) {
				continue
			}
			far, err := net.Dial("tcp", m.to)
			if err != nil {
				near.Close()
				continue
			}
			m.keep(far)
			work.Go(func() { io.Copy(far, near); far.Close() })
			work.Go(func() { io.Copy(near, far); near.Close() })
		}
	})
	return l.Addr().String()
}

// silence cuts all connections.
func (m *silentMachine) silence(connections int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.ends {
		c.Close()
	}
	m.ends, m.silent = nil, connections
}

func (m *silentMachine) answers(c net.Conn) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ends = append(m.ends, c)
	m.silent--
	return m.silent < 0
}

func (m *silentMachine) keep(c net.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ends = append(m.ends, c)
}

// Of several servers, the one that can be written to is used, unless the URL says otherwise.
func TestSeveralHosts(t *testing.T) {
	for _, tt := range []struct {
		url     string
		writes  bool
		timeout time.Duration
	}{
		{"postgres://u@a/db", false, 10 * time.Second},
		{"postgres://u@a/db?sslmode=prefer", false, 10 * time.Second},
		{"postgres://u@a,b/db", true, 2 * time.Second},
		{"postgres://u@a:1,a:2/db", true, 2 * time.Second},
		{"postgres://u@a,b/db?connect_timeout=7", true, 7 * time.Second},
		{"postgres://u@a,b/db?target_session_attrs=any", false, 2 * time.Second},
		{"postgres://u@a/db?target_session_attrs=read-write", true, 10 * time.Second},
	} {
		c, _, err := postgresConfig(tt.url, defaultLimits)
		if err != nil || (c.ValidateConnect != nil) != tt.writes || c.ConnectTimeout != tt.timeout {
			t.Errorf("%s: validates %v, %s, %v", tt.url, c.ValidateConnect != nil, c.ConnectTimeout, err)
		}
	}
}

// The primary dies under load and its synchronous replica is promoted: what was answered is
// there, and what was not waits for the new primary. The only error that a caller may get is
// that the fate of its write is unknown.
func TestFailover(t *testing.T) {
	t.Parallel()
	primary, err := pgtest.NewServer(t.Context(), t.Output(), "max_wal_senders=4")
	if err != nil {
		t.Fatal(err)
	}
	defer primary.Remove()
	s := openURL(t, primary.URL())
	must(t, s.Close()) // the replica has the schema from the beginning
	replica, err := primary.Replica(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	defer replica.Remove()
	s = openURL(t, pgtest.Both(primary, replica))

	const all = 400
	var done, begun atomic.Int32
	var g sync.WaitGroup
	var mu sync.Mutex
	inserted, ended := make(map[string]bool), make(map[string]bool)
	for w := range 16 {
		g.Go(func() {
			for i := range all / 16 {
				tx := storetest.NewTransaction(w*1000 + i)
				tx.MSISDN = fmt.Sprintf("+4179%07d", w*1000+i)
				begun.Add(1)
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				err := s.InsertTransaction(ctx, tx)
				if err == nil {
					mu.Lock()
					inserted[tx.ID] = true
					mu.Unlock()
					var won bool
					won, err = s.FinishTransaction(ctx, tx.ID, mssp.Outcome{Code: 208}, nil, tx.Created)
					if err == nil && !won {
						err = errors.New("another outcome came first")
					}
					mu.Lock()
					ended[tx.ID] = err == nil
					mu.Unlock()
				}
				cancel()
				if err != nil && !errors.Is(err, mssp.ErrUncertain) {
					t.Errorf("%s: %v", tx.ID, err)
				}
				done.Add(1)
			}
		})
	}
	for begun.Load() < all/3 {
		time.Sleep(time.Millisecond)
	}
	primary.Kill()
	if err := replica.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.Wait()
	for id := range inserted {
		tx, err := s.Transaction(t.Context(), id)
		if err != nil || ended[id] && tx.State != mssp.StateFailed {
			t.Errorf("%s was answered: %+v, %v", id, tx, err)
		}
	}
	if n := len(inserted); n < all/2 {
		t.Errorf("%d of %d calls were answered", n, all)
	}
}

func openURL(t *testing.T, url string) *Store {
	t.Helper()
	limits := defaultLimits
	limits.wait, limits.write, limits.read = time.Minute, time.Minute, time.Minute
	s, err := Open(t.Context(), url, func(o *options) { o.limits = limits })
	if err != nil {
		t.Fatal(strings.ReplaceAll(err.Error(), "\n", " "))
	}
	t.Cleanup(func() { s.Close() })
	return s
}
