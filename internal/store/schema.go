package store

import (
	"context"
	"database/sql"
	"fmt"
)

const (
	createVersion = `CREATE TABLE IF NOT EXISTS signum_schema (version bigint NOT NULL)`
	// insertVersion records a version of a schema that does not have the other column yet.
	insertVersion           = `INSERT INTO signum_schema (version) VALUES ($1)`
	insertCompatibleVersion = `INSERT INTO signum_schema (version, min_compatible) VALUES ($1, $2)`
	selectVersion           = `SELECT COALESCE(MAX(version), 0) FROM signum_schema`
	selectCompatible        = `SELECT COALESCE(MAX(min_compatible), 0) FROM signum_schema`

	// compatibleSince is the version that has min_compatible, and instanceSince the one
	// with the table instance.
	compatibleSince = 18
	instanceSince   = 17
)

// selectHasVersion finds the table of versions, where a database has one.
var selectHasVersion = &query{
	text:     `SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name = 'signum_schema'`,
	postgres: `SELECT COUNT(*) FROM pg_class WHERE oid = to_regclass('signum_schema')`,
}

// state is what a database says about its schema.
type state struct {
	version    int // 0: the database has no schema yet
	compatible int // the oldest version whose programs can use it
}

// querier is a database, a connection or a transaction.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// readState takes no lock that another session would notice, and creates nothing.
func readState(ctx context.Context, q querier, e engine) (s state, err error) {
	var tables int
	if err := q.QueryRowContext(ctx, selectHasVersion.sql(e)).Scan(&tables); err != nil || tables == 0 {
		return s, err
	}
	if err := q.QueryRowContext(ctx, selectVersion).Scan(&s.version); err != nil {
		return s, err
	}
	s.compatible = s.version
	if s.version >= compatibleSince {
		err = q.QueryRowContext(ctx, selectCompatible).Scan(&s.compatible)
	}
	return s, err
}

// A SchemaError says that a program and a database do not go together.
type SchemaError struct {
	Version int // of the database
	Known   int // to the program
	// Compatible is the oldest version whose programs can use the database.
	Compatible int
}

func (e *SchemaError) Error() string {
	if e.Version < e.Known {
		return fmt.Sprintf("the schema of the database is at version %d, this program needs version %d: run signum migrate, "+
			"which shows with --plan what it will do", e.Version, e.Known)
	}
	return fmt.Sprintf("the database is at version %d, which programs from version %d on can use, and this program is of version %d: "+
		"use a newer program", e.Version, e.Compatible, e.Known)
}

// admit returns an error if a program that knows the versions up to known cannot use a
// database in this state.
func (s state) admit(known int) error {
	if s.version < known || s.version > known && s.compatible > known {
		return &SchemaError{Version: s.version, Known: known, Compatible: s.compatible}
	}
	return nil
}
