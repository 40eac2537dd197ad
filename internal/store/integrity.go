package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxDamage bounds the list of one kind of damage: one row is enough to know.
const maxDamage = 20

// restoreGood is the remedy for rows and files that cannot be trusted.
const restoreGood = "back up what can be read, and restore the last good backup"

// damageChecks are statements that return for each thing that is wrong a sentence and, after a
// line end, what to do. They run while nodes use the database.
var damageChecks = map[engine][]string{
	sqlite: {
		`SELECT 'the file is damaged: ' || integrity_check || char(10) || '` + restoreGood + `' FROM pragma_integrity_check WHERE integrity_check <> 'ok'`,
		`SELECT 'a row of ' || "table" || ' refers to a row of ' || "parent" || ' that does not exist' || char(10) || '` + restoreGood + `' FROM pragma_foreign_key_check`,
	},
	postgres: {
		`SELECT 'the index ' || indexrelid::regclass::text || ' is not valid, so nothing uses it' || chr(10) ||
			'run signum migrate; if it stays: REINDEX INDEX CONCURRENTLY ' || indexrelid::regclass::text FROM pg_index i
			JOIN pg_class c ON c.oid = i.indexrelid
			WHERE NOT indisvalid AND c.relnamespace = CAST(current_schema() AS regnamespace)`,
		`SELECT 'the constraint ' || conname || ' of ' || conrelid::regclass::text || ' is not validated' || chr(10) ||
			'ALTER TABLE ' || conrelid::regclass::text || ' VALIDATE CONSTRAINT ' || quote_ident(conname)
			FROM pg_constraint WHERE NOT convalidated AND connamespace = CAST(current_schema() AS regnamespace)`,
	},
}

// riskChecks are like damageChecks, for what may damage the database later.
var riskChecks = map[engine][]string{
	postgres: {
		`SELECT 'the server runs with ' || name || '=off, so a power failure may lose or damage the database' || chr(10) || 'set ' || name || ' = on'
			FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off'`,
	},
}

// Damage is something that is wrong with a database itself, whatever its rows mean.
type Damage struct {
	Text, Do string
	Risk     bool // nothing is damaged yet
}

// FindDamage lists what is wrong with a database, and what to do.
func FindDamage(ctx context.Context, url string) (all []Damage, err error) {
	err = look(ctx, url, func(p *pools, tx *sql.Tx) error {
		for i, statement := range slices.Concat(damageChecks[p.engine], riskChecks[p.engine]) {
			found, err := p.strings(ctx, tx, &query{text: statement})
			if err != nil {
				return err
			}
			for _, text := range found[:min(len(found), maxDamage)] {
				what, do, _ := strings.Cut(text, "\n")
				all = append(all, Damage{what, do, i >= len(damageChecks[p.engine])})
			}
		}
		return nil
	})
	return all, err
}

// ClockOffset is how far the clock of the database is ahead of this machine's. SQLite has
// no clock of its own.
func ClockOffset(ctx context.Context, url string) (d time.Duration, err error) {
	if !isPostgres(url) {
		return 0, nil
	}
	err = look(ctx, url, func(p *pools, tx *sql.Tx) error {
		var us int64
		began := time.Now()
		err := tx.QueryRowContext(ctx, `SELECT CAST(EXTRACT(epoch FROM clock_timestamp()) * 1000000 AS bigint)`).Scan(&us)
		took := time.Since(began)
		d = time.UnixMicro(us).Sub(began.Add(took / 2))
		// The answer may have been on its way for all of that time.
		if d.Abs() <= took/2 {
			d = 0
		}
		return err
	})
	return d, err
}

// look runs do in a transaction that only reads, however long it takes. A file of SQLite
// must exist.
func look(ctx context.Context, url string, do func(*pools, *sql.Tx) error) error {
	p, err := openPools(ctx, url, lookOptions([]Option{WithApplication("check")}))
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	defer p.close()
	tx, err := p.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: p.engine == postgres})
	if err == nil && p.engine == postgres {
		_, err = tx.ExecContext(ctx, `SET LOCAL statement_timeout = 0`)
	}
	if err == nil {
		err = do(p, tx)
		tx.Rollback()
	}
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}
