//go:build linux

package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the drivers
	_ "modernc.org/sqlite"

	"github.com/signum-mssp/signum"
)

// row is what the database has of a transaction.
type row struct {
	id    string
	state string
	code  signum.Code
}

// triplet identifies a call for a signature: AP_TransID and Instant. There is one AP_ID.
type triplet struct {
	transID string
	instant int64
}

// counters are those of a SIM card: the last one used towards the card, and the highest
// one that the card has used.
type counters struct{ requests, replies uint64 }

// openDatabase opens the database of a service beside it. That of SQLite is copied first,
// so that looking at it does not repair it before the service does; the service must not
// run.
func openDatabase(url, dir string) (*sql.DB, error) {
	path, isSQLite := strings.CutPrefix(url, "sqlite:")
	if !isSQLite {
		return sql.Open("pgx", url)
	}
	kept := filepath.Join(dir, "look.db")
	for _, suffix := range []string{"", "-wal"} {
		text, err := os.ReadFile(path + suffix)
		if errors.Is(err, fs.ErrNotExist) && suffix != "" {
			err = os.Remove(kept + suffix)
			if errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
		} else if err == nil {
			err = os.WriteFile(kept+suffix, text, 0o600)
		}
		if err != nil {
			return nil, err
		}
	}
	return sql.Open("sqlite", kept)
}

// transactions returns those of a party by what identifies a call, which is there once.
// The names that the load gives tell them from those of the program's own example.
func transactions(ctx context.Context, db *sql.DB, party string) (map[triplet]row, error) {
	all := make(map[triplet]row)
	err := scan(ctx, db, func(rows *sql.Rows) error {
		var t triplet
		var r row
		if err := rows.Scan(&t.transID, &t.instant, &r.id, &r.state, &r.code); err != nil {
			return err
		}
		if _, twice := all[t]; twice {
			return fmt.Errorf("the call %v is in the database twice", t)
		}
		all[t] = r
		return nil
	}, `SELECT ap_trans_id, ap_instant, id, state, code FROM transactions WHERE ap_id = $1 AND ap_trans_id LIKE 'C%.%'`, party)
	return all, err
}

// overdue returns how many transactions wait although their time is over.
func overdue(ctx context.Context, db *sql.DB, at time.Time) (n int, err error) {
	err = db.QueryRowContext(ctx, `SELECT count(*) FROM transactions WHERE state = 'outstanding' AND expires < $1`, at.UnixMicro()).Scan(&n)
	return n, err
}

// cardCounters returns the counters of all cards.
func cardCounters(ctx context.Context, db *sql.DB) (map[string]counters, error) {
	all := make(map[string]counters)
	err := scan(ctx, db, func(rows *sql.Rows) error {
		var iccid string
		var c counters
		err := rows.Scan(&iccid, &c.requests, &c.replies)
		all[iccid] = c
		return err
	}, `SELECT iccid, counter, reply_counter FROM sim_cards`)
	return all, err
}

// damage returns what SQLite finds wrong with a database.
func damage(ctx context.Context, db *sql.DB) (found []string, err error) {
	for _, check := range []string{"integrity_check", "foreign_key_check"} {
		err = errors.Join(err, scan(ctx, db, func(rows *sql.Rows) error {
			columns, err := rows.Columns()
			if err != nil {
				return err
			}
			values := make([]any, len(columns))
			for i := range values {
				values[i] = new(any)
			}
			if err := rows.Scan(values...); err != nil {
				return err
			}
			if text := fmt.Sprint(*values[0].(*any)); check == "foreign_key_check" || text != "ok" {
				found = append(found, check+": "+text)
			}
			return nil
		}, "PRAGMA "+check))
	}
	return found, err
}

// scan calls take for each row of an answer.
func scan(ctx context.Context, db *sql.DB, take func(*sql.Rows) error, query string, args ...any) error {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := take(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
