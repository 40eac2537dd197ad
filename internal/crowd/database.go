//go:build linux

package main

import (
	"cmp"
	"context"
	"database/sql"
	"path/filepath"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // the drivers
	_ "modernc.org/sqlite"

	"github.com/signum-mssp/signum"
)

// compare looks whether the database has what the parties were told. The node has stopped.
func (r *run) compare(ctx context.Context) error {
	driver, url := "pgx", cmp.Or(r.store, "sqlite:"+filepath.Join(r.dir, "private", "signum.db"))
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		driver, url = "sqlite", path
	}
	db, err := sql.Open(driver, url)
	if err != nil {
		return err
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, `SELECT ap_id, ap_trans_id, state, COALESCE(code, 0) FROM transactions WHERE ap_trans_id LIKE 'K%'`)
	if err != nil {
		return err
	}
	defer rows.Close()
	seen := make(map[string]bool)
	for rows.Next() {
		var party, id, state string
		var code signum.Code
		if err := rows.Scan(&party, &id, &state, &code); err != nil {
			return err
		}
		key := party + " " + id
		told, known := r.parties.told[key]
		switch {
		case seen[key]:
			r.fault("%s is in the database twice", key)
		case !known:
			r.fault("%s is in the database with the state %s, and its party was told that it was refused", key, state)
		case r.lenient && told == signum.InternalError && (code == signum.SignatureMade || code == signum.ExpiredTransaction || code == signum.OTAError):
		case code != told:
			r.fault("%s is in the database with the state %s and %d, and its party was told %d", key, state, code, told)
		}
		seen[key] = true
	}
	for key, told := range r.parties.told {
		if !seen[key] && !(r.lenient && told == signum.InternalError) { // else it ended before it was stored
			r.fault("%s was answered with %d and is not in the database", key, told)
		}
	}
	r.print("%d transactions are in the database", len(seen))
	return rows.Err()
}
