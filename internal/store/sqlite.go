package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// sqlitePragmas are set on every connection.
var sqlitePragmas = []string{
	"busy_timeout(10000)", // ms; another process (a command, a backup) may be writing
	"journal_mode(WAL)",
	"synchronous(FULL)", // a commit that returned is on disk
	"foreign_keys(1)",
	"temp_store(MEMORY)",
	// Pages: a checkpoint every 16 MB of log instead of every 4. Index pages that
	// change again and again are copied back less often: 15 to 20 % of a write.
	"wal_autocheckpoint(4000)",
}

// openSQLite opens one connection that writes and a pool that reads.
func openSQLite(ctx context.Context, path string, o *options) (*pools, error) {
	if path == "" || strings.Contains(path, ":memory:") {
		return nil, errors.New("SQLite needs the path of a file: what must survive cannot be kept in memory")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	// Subscribers are nobody else's business; SQLite gives its other files the
	// mode of this one.
	f, err := os.OpenFile(abs, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	o.writers = 1
	p := &pools{engine: sqlite}
	if p.write, err = sql.Open("sqlite", sqliteDSN(abs, "_txlock=immediate")); err != nil {
		return nil, err
	}
	p.write.SetMaxOpenConns(1)
	if p.read, err = sql.Open("sqlite", sqliteDSN(abs, "_pragma=query_only(1)")); err != nil {
		p.write.Close()
		return nil, err
	}
	p.read.SetMaxOpenConns(o.readers)
	p.read.SetMaxIdleConns(o.readers)
	if err := p.write.PingContext(ctx); err != nil {
		p.close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// sqliteDSN is a file: URI, in which a path may hold any character.
func sqliteDSN(path string, params ...string) string {
	for _, pragma := range sqlitePragmas {
		params = append(params, "_pragma="+pragma)
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: strings.Join(params, "&")}
	return u.String()
}
