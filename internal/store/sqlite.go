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
	"time"

	driver "modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// busyTimeout is how long to wait for another process (a command, a backup)
// that is writing.
const busyTimeout = 10 * time.Second

// sqlitePragmas are set on every connection.
var sqlitePragmas = []string{
	fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()),
	"journal_mode(WAL)",
	"synchronous(FULL)", // a commit that returned is on disk
	"foreign_keys(1)",
	"temp_store(MEMORY)",
	// In pages: a checkpoint every 16 MB of log instead of every 4 MB. Index pages
	// that change repeatedly are copied back less often, which saves 15 to 20 % of a
	// write.
	"wal_autocheckpoint(4000)",
	// In bytes. What a long backup made the log grow by does not stay.
	"journal_size_limit(67108864)",
}

// autoVacuum lets a new file become smaller again, see Shrink. It has to come before a file
// gets its first page. A file that was made without it stays as it is.
const autoVacuum = "_pragma=auto_vacuum(incremental)"

// openSQLite opens one connection that writes and a pool that reads.
func openSQLite(ctx context.Context, path string, o *options) (*pools, error) {
	if path == "" || strings.Contains(path, ":memory:") {
		return nil, errors.New("SQLite needs the path of a file: what must survive cannot be kept in memory")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := refuseUnfinishedFile(abs); err != nil {
		return nil, err
	}
	// Subscribers' data is private. SQLite gives its other files the mode of this one.
	f, err := os.OpenFile(abs, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(giveToOwner(f), f.Close()); err != nil {
		return nil, err
	}
	o.writers = 1
	p := &pools{engine: sqlite}
	if p.write, err = sql.Open("sqlite", sqliteDSN(abs, "_txlock=immediate", autoVacuum)); err != nil {
		return nil, err
	}
	p.write.SetMaxOpenConns(1)
	if p.read, err = sql.Open("sqlite", sqliteDSN(abs, "_pragma=query_only(1)")); err != nil {
		p.write.Close()
		return nil, err
	}
	p.read.SetMaxOpenConns(o.readers)
	p.read.SetMaxIdleConns(o.readers)
	if err := pingSQLite(ctx, p.write); err != nil {
		p.close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// pingSQLite makes the first connection. It retries while the database is busy,
// because the switch to WAL, which the first process makes and the last one that
// closes undoes, does not wait for the busy timeout.
func pingSQLite(ctx context.Context, db *sql.DB) error {
	for end := time.Now().Add(busyTimeout); ; time.Sleep(5 * time.Millisecond) {
		err := db.PingContext(ctx)
		if !isBusy(err) || time.Now().After(end) {
			return err
		}
	}
}

// sqliteInUse says whether another process, or another part of this one, has the file open.
// A connection in WAL mode shares a lock of the file for as long as it lasts, so that
// nobody gets the file for itself meanwhile.
func sqliteInUse(ctx context.Context, path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	u := url.URL{Scheme: "file", Path: abs, RawQuery: "mode=rw&_pragma=locking_mode(EXCLUSIVE)&_pragma=busy_timeout(0)"}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return "", err
	}
	defer db.Close()
	var n int
	err = db.QueryRowContext(ctx, `SELECT COUNT(*) FROM sqlite_schema`).Scan(&n)
	switch {
	case isBusy(err):
		return "another process has " + path + " open", nil
	case isDamaged(err): // which the next one to open it is told
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return "", nil
}

// isBusy reports whether another connection has the lock that a statement needs.
func isBusy(err error) bool {
	failed, ok := errors.AsType[*driver.Error](err)
	return ok && failed.Code()&0xff == sqlitelib.SQLITE_BUSY
}

// isDamaged reports whether a file is no database of SQLite, or no longer.
func isDamaged(err error) bool {
	failed, ok := errors.AsType[*driver.Error](err)
	return ok && (failed.Code()&0xff == sqlitelib.SQLITE_NOTADB || failed.Code()&0xff == sqlitelib.SQLITE_CORRUPT)
}

// sqliteDSN returns a file: URI, which can hold any character of a path.
func sqliteDSN(path string, params ...string) string {
	for _, pragma := range sqlitePragmas {
		params = append(params, "_pragma="+pragma)
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: strings.Join(params, "&")}
	return u.String()
}
