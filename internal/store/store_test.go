package store

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/pgtest"
	"github.com/signum-mssp/signum/internal/store/storetest"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(crashEnv); path != "" {
		writeUntilKilled(path)
	}
	goleak.VerifyTestMain(m)
}

var quiet = WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Open {
		url := "sqlite:" + filepath.Join(t.TempDir(), "a file?.db")
		return func() (mssp.Store, error) { return Open(t.Context(), url, quiet) }
	})
}

// Through PgBouncer, which gives each transaction another connection.
func TestPooler(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Open {
		url := pgtest.PoolerURL(t)
		return func() (mssp.Store, error) { return Open(t.Context(), url, quiet) }
	})
}

func TestPostgres(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Open {
		url := pgtest.URL(t)
		return func() (mssp.Store, error) { return Open(t.Context(), url, quiet) }
	})
}
