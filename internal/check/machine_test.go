package check

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/store/pgtest"
)

// finds demands one such finding of a check.
func finds(ctx context.Context, t *testing.T, o Options, check string, level Level, text, do string) {
	t.Helper()
	all, err := Run(ctx, o)
	must(t, err)
	n := 0
	for _, f := range all {
		if f.Check != check || !strings.Contains(f.Text, text) {
			continue
		}
		if n++; f.Level != level || !strings.Contains(f.Do, do) {
			t.Errorf("%+v, want %s and %q", f, level, do)
		}
	}
	if n != 1 {
		t.Errorf("%d findings of %s about %q in %+v", n, check, text, all)
	}
}

// TestDisk: a disk that is nearly full, which the machine of a test is not on demand.
func TestDisk(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	o := Options{URL: "sqlite:" + path, Files: service(t, "sqlite:"+path)}
	o.free = func(dir string) (uint64, bool) { return 9, dir == filepath.Dir(path) }
	finds(t.Context(), t, o, "disk", Warning, "only 9 % of the disk of "+path+" are free", "make room")
	o.free = func(string) (uint64, bool) { return 10, true }
	if all, err := Run(t.Context(), o); err != nil || len(all) > 0 {
		t.Errorf("%+v, %v", all, err)
	}
	if percent, known := freeDisk(t.TempDir()); !known || percent > 100 {
		t.Errorf("%d %% are free, %v", percent, known)
	}
}

// TestPostgres: what only a server can have wrong. The functions and settings of a session
// stand for a server with another clock.
func TestPostgres(t *testing.T) {
	t.Parallel()
	o := Options{URL: pgtest.URL(t)}
	o.Files = service(t, o.URL)
	db, err := sql.Open("pgx", o.URL)
	must(t, err)
	defer db.Close()
	do := func(statement string) {
		t.Helper()
		_, err := db.Exec(statement)
		must(t, err)
	}
	do(`CREATE TABLE odd (n int); INSERT INTO odd VALUES (1), (1); ALTER TABLE odd ADD CONSTRAINT small CHECK (n < 9) NOT VALID`)
	if _, err := db.Exec(`CREATE UNIQUE INDEX CONCURRENTLY odd_n ON odd (n)`); err == nil {
		t.Fatal("the index is valid")
	}
	finds(t.Context(), t, o, "integrity", Error, "the index odd_n is not valid", "run signum migrate; if it stays: REINDEX INDEX CONCURRENTLY odd_n")
	finds(t.Context(), t, o, "integrity", Error, "the constraint small of odd is not validated", "ALTER TABLE odd VALIDATE CONSTRAINT small")
	do(`DELETE FROM odd`)
	do(`REINDEX INDEX CONCURRENTLY odd_n`) // as the findings say
	do(`ALTER TABLE odd VALIDATE CONSTRAINT small`)
	all, err := Run(t.Context(), o)
	must(t, err)
	for _, f := range all {
		if f.Level == Error {
			t.Errorf("there is still %+v", f)
		}
	}
	fsync := ""
	must(t, db.QueryRow(`SHOW fsync`).Scan(&fsync))
	if fsync == "off" {
		finds(t.Context(), t, o, "integrity", Warning, "the server runs with fsync=off", "set fsync = on")
	}

	// The schema public comes first, so its functions hide those of the server.
	o.URL += map[bool]string{true: "&", false: "?"}[strings.Contains(o.URL, "?")] + "search_path=public,pg_catalog"
	for ahead, level := range map[string]Level{"3 s": Warning, "-3 s": Warning, "7 s": Error, "-7 s": Error} {
		do(`CREATE OR REPLACE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT pg_catalog.clock_timestamp() + interval '` + ahead + `' $$`)
		finds(t.Context(), t, o, "clock", level, "the clock of the database is ", "NTP")
	}
}
