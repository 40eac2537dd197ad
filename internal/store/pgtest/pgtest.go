package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signum-mssp/signum/internal/testkit"
)

// Env names the environment variable with the URL of a server to use.
const Env = "SIGNUM_TEST_POSTGRES"

var errNotInstalled = errors.New("no PostgreSQL server is installed, and " + Env + " is not set")

// The servers of this test binary, each started when first needed.
var (
	fast    = sync.OnceValues(func() (string, error) { return start(false) })
	durable = sync.OnceValues(func() (string, error) { return start(true) })
)

// URL returns the URL of a new, empty database, which is dropped when t ends. If
// there is no server and none can be started, t ends as with testkit.Missing.
func URL(t testing.TB) string {
	t.Helper()
	return Database(t, "")
}

var errNoPooler = errors.New("PgBouncer is not installed; run make deps")

// pooler is the PgBouncer in front of the server, started when first needed.
var pooler = sync.OnceValues(func() (string, error) {
	server := os.Getenv(Env)
	if server == "" {
		var err error
		if server, err = fast(); err != nil {
			return "", err
		}
	}
	return startPooler(server)
})

// PoolerURL is like URL, but goes through a PgBouncer that gives each transaction
// another connection of the server. The URL says pooler=transaction, which a store
// needs.
func PoolerURL(t testing.TB) string {
	t.Helper()
	return Pooled(t, URL(t))
}

// Pooled returns the URL of a database through the pooler of PoolerURL.
func Pooled(t testing.TB, direct string) string {
	t.Helper()
	address, err := pooler()
	if errors.Is(err, errNoPooler) {
		testkit.Missing(t, "pgtest: %v", err)
	}
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	u, err := url.Parse(direct)
	if err != nil {
		t.Fatal("pgtest: the URL of the server cannot be parsed")
	}
	u.Host, u.RawQuery = address, "sslmode=disable&pooler=transaction"
	return u.String()
}

// Database is like URL, with options for CREATE DATABASE. If the server refuses
// them, t is skipped.
func Database(t testing.TB, options string) string {
	t.Helper()
	server := server(t)
	name := "signum_test_" + rand.Text()
	if err := run(server, `CREATE DATABASE "`+name+`" TEMPLATE template0 `+options); err != nil {
		if options != "" {
			t.Skipf("pgtest: %v", err)
		}
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() {
		if err := run(server, `DROP DATABASE "`+name+`" WITH (FORCE)`); err != nil {
			t.Errorf("pgtest: %v", err)
		}
	})
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal("pgtest: the URL of the server cannot be parsed")
	}
	u.Path = "/" + name
	return u.String()
}

func server(t testing.TB) string {
	t.Helper()
	if env := os.Getenv(Env); env != "" {
		return env
	}
	start := fast
	if _, ok := t.(*testing.B); ok {
		start = durable
	}
	server, err := start()
	if err == nil {
		return server
	}
	if err == errNotInstalled {
		testkit.Missing(t, "pgtest: %v; run make deps", err)
	}
	t.Fatalf("pgtest: %v", err)
	return ""
}

// patience is how long a server may take to start, and a statement to run, on a
// machine that has other work to do.
const patience = 5 * time.Minute

func run(server, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}
