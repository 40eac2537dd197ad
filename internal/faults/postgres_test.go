//go:build linux

package faults

import (
	"context"
	"net/url"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/store/pgtest"
	"github.com/signum-mssp/signum/internal/testkit"
)

// database is a PostgreSQL server with a role that is no superuser, whose connections can
// be limited.
type database struct {
	*pgtest.Server
	t    testing.TB
	role string // URL of its database
}

func newDatabase(t *testing.T) *database {
	t.Helper()
	if _, err := pgtest.Binaries(); err != nil {
		testkit.Missing(t, "%v; run make deps", err)
	}
	s, err := pgtest.NewServer(t.Context(), new(testkit.Buffer))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Remove(); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	u.User, u.Path = url.User("signum"), "/signum"
	d := &database{s, t, u.String()}
	d.exec("CREATE ROLE signum LOGIN")
	d.exec("CREATE DATABASE signum OWNER signum")
	return d
}

func (d *database) exec(statement string) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, d.URL())
	if err == nil {
		_, err = conn.Exec(ctx, statement)
		conn.Close(ctx)
	}
	if err != nil {
		d.t.Error(err)
	}
}

// limit ends the connections of the role and limits new ones.
func (d *database) limit(connections string) {
	d.exec("ALTER ROLE signum CONNECTION LIMIT " + connections)
	d.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'signum'")
}

// start starts a server that is down.
func (d *database) start() {
	if err := d.Start(context.Background()); err != nil {
		d.t.Error(err)
	}
}

// TestPostgres: the database is stopped, killed, frozen, and takes no more connections.
func TestPostgres(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	w := newWorld(t, d.role, storeUsers)
	for _, tt := range []struct {
		name string
		storeFault
	}{
		{"stopped", storeFault{d.Stop, d.start}},
		{"killed", storeFault{d.Kill, d.start}},
		{"frozen", storeFault{d.Freeze, d.Thaw}},
		{"no connections", storeFault{func() { d.limit("0") }, func() { d.exec("ALTER ROLE signum CONNECTION LIMIT -1") }}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer w.of(t)()
			w.bear(tt.storeFault)
		})
	}
	t.Run("one connection", func(t *testing.T) {
		defer w.of(t)()
		w.bearFewConnections(d)
	})
}

// bearFewConnections: with one connection, most of what the node does at the same time
// fails. What fails is told as a fault of the service.
func (w *world) bearFewConnections(d *database) {
	d.limit("1")
	var all sync.WaitGroup
	for i := range storeUsers {
		all.Go(func() {
			failed := false // then the phone may still be busy with that request
			for range 5 {
				switch f := signum.AsFault(w.sign(number(i), long)); {
				case f == nil:
					failed = false
				case f.Code == signum.InternalError:
					failed = true
				case f.Code != signum.PBSignatureProcess || !failed:
					w.t.Errorf("with one connection: %v", f)
				}
			}
		})
	}
	all.Wait()
	d.exec("ALTER ROLE signum CONNECTION LIMIT -1")
	for i := range storeUsers {
		w.eventually("the user signs again", func() bool { return w.sign(number(i), long) == nil })
	}
}
