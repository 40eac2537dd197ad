package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/pgtest"
	"github.com/signum-mssp/signum/internal/store/storetest"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(crashEnv); path != "" {
		writeUntilKilled(path)
	}
	if url := os.Getenv(migrateEnv); url != "" {
		migrateUntilKilled(url)
	}
	goleak.VerifyTestMain(m)
}

var quiet = WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))

func TestSQLite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Database {
		path := filepath.Join(t.TempDir(), "a file?.db")
		return storetest.Database{
			Open:  func() (mssp.Store, error) { return Open(t.Context(), "sqlite:"+path, quiet) },
			Alter: func(_, statement string) error { return alterSQLite(t.Context(), path, statement) },
		}
	})
}

func alterSQLite(ctx context.Context, path, statement string) error {
	u := url.URL{Scheme: "file", Path: path, RawQuery: "_pragma=busy_timeout(60000)&_pragma=ignore_check_constraints(1)"}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, statement)
	return errors.Join(err, db.Close())
}

// Through PgBouncer, which gives each transaction another connection.
func TestPooler(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Database { return postgresDatabase(t, pgtest.PoolerURL(t)) })
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Database { return postgresDatabase(t, pgtest.URL(t)) })
}

func postgresDatabase(t *testing.T, url string) storetest.Database {
	return storetest.Database{
		Open: func() (mssp.Store, error) { return Open(t.Context(), url, quiet) },
		Alter: func(table, statement string) error {
			config, _, err := postgresConfig(url, defaultLimits)
			if err != nil {
				return err
			}
			conn, err := pgx.ConnectConfig(t.Context(), config)
			if err != nil {
				return err
			}
			defer conn.Close(t.Context())
			return pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
				_, err := tx.Exec(t.Context(), fmt.Sprintf(dropChecks, table)+statement, pgx.QueryExecModeSimpleProtocol)
				return err
			})
		},
	}
}

// dropChecks drops the CHECKs of a table.
const dropChecks = `DO $$
DECLARE c text;
BEGIN
    FOR c IN SELECT conname FROM pg_constraint WHERE conrelid = '%[1]s'::regclass AND contype = 'c' LOOP
        EXECUTE format('ALTER TABLE %[1]s DROP CONSTRAINT %%I', c);
    END LOOP;
END $$;
`
