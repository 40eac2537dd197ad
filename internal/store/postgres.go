package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// A group of writes holds many locks, and two nodes may take theirs in
// opposite order. Neither waits long: its group is rolled back and run again
// one write at a time, which cannot deadlock. That comes sooner than
// PostgreSQL's own deadlock detection (1 s), and is not limited then.
const (
	groupLockTimeout  = `SET lock_timeout = '500ms'`
	singleLockTimeout = `SET LOCAL lock_timeout = 0`
)

const selectDurability = `SELECT current_setting('synchronous_commit'), current_setting('fsync')`

// openPostgres opens a pool that writes and one that reads.
func openPostgres(ctx context.Context, url string, o *options) (*pools, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "signum"
	}
	pool := func(n int) *sql.DB {
		db := stdlib.OpenDB(*config)
		db.SetMaxOpenConns(n)
		db.SetMaxIdleConns(n)
		return db
	}
	p := &pools{engine: postgres, write: pool(o.writers), read: pool(o.readers)}
	if err := checkDurability(ctx, p.write, o.log); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// checkDurability refuses a server that answers a COMMIT before it is on disk.
func checkDurability(ctx context.Context, db *sql.DB, log *slog.Logger) error {
	var commit, fsync string
	if err := db.QueryRowContext(ctx, selectDurability).Scan(&commit, &fsync); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if commit == "off" {
		return errors.New("synchronous_commit is off: an answer would be given before it is on disk")
	}
	if fsync == "off" {
		log.Warn("store: the PostgreSQL server runs with fsync=off; a power failure loses the database")
	}
	return nil
}
