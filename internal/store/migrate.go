package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrationNames name the versions of the schema, the first being version 1.
// NAME.sql is run on both engines, then NAME.ENGINE.sql if there is one. A
// version that was released never changes.
var migrationNames = []string{
	"0001_initial",
	"0002_services",
	"0003_apps",
	"0004_cards",
	"0005_issuers",
	"0006_consents",
	"0007_passwords",
	"0008_verifications",
	"0009_ended",
	"0010_notices",
	"0011_limits",
	"0012_replaced",
	"0013_identities",
	"0014_party_settings",
	"0015_card_profiles",
	"0016_push_end",
	"0017_instance",
}

const (
	createVersion = `CREATE TABLE IF NOT EXISTS signum_schema (version bigint NOT NULL)`
	selectVersion = `SELECT COALESCE(MAX(version), 0) FROM signum_schema`
	insertVersion = `INSERT INTO signum_schema (version) VALUES ($1)`
	// A migration may take as long as it needs, and so may waiting for another one.
	noLimits = `SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0`
	// lockSchema keeps other processes out until this one has committed. On SQLite
	// the transaction does so by itself, because it is immediate. The key is
	// "signum" in ASCII.
	lockSchema = `SELECT pg_advisory_xact_lock(126896544052589)`
)

// migrate upgrades the schema to the last of the named versions and calls the
// functions, in one transaction.
func migrate(ctx context.Context, p *pools, names []string, then ...func(context.Context, *sql.Tx) error) error {
	tx, err := p.write.BeginTx(ctx, p.isolation())
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if p.engine == postgres {
		if _, err := tx.ExecContext(ctx, noLimits); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, lockSchema); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, createVersion); err != nil {
		return err
	}
	var version int
	if err := tx.QueryRowContext(ctx, selectVersion).Scan(&version); err != nil {
		return err
	}
	if version > len(names) {
		return fmt.Errorf("the database is at version %d, this program knows versions up to %d: use a newer program",
			version, len(names))
	}
	for ; version < len(names); version++ {
		if err := runMigration(ctx, tx, p.engine, names[version]); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, insertVersion, version+1); err != nil {
			return err
		}
	}
	for _, do := range then {
		if err := do(ctx, tx); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func runMigration(ctx context.Context, tx *sql.Tx, e engine, name string) error {
	text, err := migrations.ReadFile("migrations/" + name + ".sql")
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, string(text)); err != nil {
		return fmt.Errorf("migration %s: %w", name, err)
	}
	text, err = migrations.ReadFile("migrations/" + name + "." + string(e) + ".sql")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, string(text)); err != nil {
		return fmt.Errorf("migration %s for %s: %w", name, e, err)
	}
	return nil
}
