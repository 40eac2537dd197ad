package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/pgtest"
)

// next is the schema of a program that is three versions newer: a column, which is filled
// in slices, and an index of it. All three only expand.
func next(t testing.TB) schema {
	files := fstest.MapFS{"migrations/column.sql": {Data: []byte(`ALTER TABLE subscribers ADD COLUMN extra bigint`)}}
	names, err := fs.Glob(latest.files, "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := fs.ReadFile(latest.files, name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: data}
	}
	from := latest.newest()
	return schema{files, append(latest.list[:from:from],
		migration{name: "column", compatible: from, says: "Adds a column."},
		migration{name: "fill", compatible: from, table: "subscribers", says: "Fills it.", fill: &fill{
			`UPDATE subscribers SET extra = 1 WHERE msisdn IN (SELECT msisdn FROM subscribers WHERE extra IS NULL LIMIT $1)`}},
		migration{name: "index", compatible: from, table: "subscribers", says: "Builds an index.", index: &index{
			name: "subscribers_extra", on: "subscribers (extra)"}},
	)}
}

func withSchema(s schema) Option { return func(o *options) { o.schema = s } }

// quick gives up soon, and works in small slices.
var quick = WithMigrationLimits(MigrationLimits{Lock: 20 * time.Millisecond, Wait: time.Minute, Statement: time.Minute, Slice: 7})

func put(ctx context.Context, s *Store, n int) error {
	return s.PutSubscriber(ctx, &mssp.Subscriber{MSISDN: fmt.Sprintf("+4179%07d", n), State: mssp.SubscriberActive})
}

func insert(t *testing.T, s *Store, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := put(t.Context(), s, i); err != nil {
			t.Fatal(err)
		}
	}
}

// Open refuses an older schema, and says what to do; with WithMigrations it upgrades it. A
// program of the version before can still open what only expanded, and one that is too
// old for it cannot.
func TestSchemaVersions(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		insert(t, s, 0, 20)
		s.Close()
		_, err := Open(t.Context(), url, quiet, withSchema(next(t)))
		var refused *SchemaError
		if !errors.As(err, &refused) || refused.Version != latest.newest() || refused.Known != latest.newest()+3 || !strings.Contains(err.Error(), "signum migrate") {
			t.Fatalf("an older schema: %v", err)
		}
		plan, err := PlanMigration(t.Context(), url, quiet, withSchema(next(t)))
		if err != nil || plan.Version != latest.newest() || len(plan.Migrations) != 3 || plan.Contracts() || plan.Migrations[1].Name != "fill" || plan.InUse != "" {
			t.Errorf("plan: %+v, %v", plan, err)
		}
		if old := open(t, url); old.Close() != nil {
			t.Error("a plan changed the database")
		}
		var steps []MigrationStep
		err = Migrate(t.Context(), url, quiet, quick, withSchema(next(t)), WithMigrationProgress(func(s MigrationStep) { steps = append(steps, s) }))
		if err != nil {
			t.Fatal(err)
		}
		var done, rows int
		for _, s := range steps {
			if s.Done {
				done++
				rows += int(s.Rows)
			}
			if s.Of != 3 || s.Number != s.Version-latest.newest() {
				t.Errorf("step: %+v", s)
			}
		}
		if done != 3 || rows != 20 || len(steps) != 3+3+3 {
			t.Errorf("%d done with %d rows, in %d steps: %+v", done, rows, len(steps), steps)
		}
		s = open(t, url) // of the version before
		insert(t, s, 20, 21)
		s.Close()
		plan, err = PlanMigration(t.Context(), url, quiet)
		if err != nil || len(plan.Migrations) != 0 || plan.Version != latest.newest()+3 {
			t.Errorf("plan of the version before: %+v, %v", plan, err)
		}
		older := schema{latest.files, latest.list[:latest.newest()-1]}
		_, err = Open(t.Context(), url, quiet, withSchema(older), WithMigrations())
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), "use a newer program") {
			t.Errorf("a program that is too old: %v", err)
		}
	})
}

// A plan of a database that does not exist creates nothing.
func TestPlanCreatesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		for range 2 {
			plan, err := PlanMigration(t.Context(), url, quiet)
			if err != nil || plan.Version != 0 || len(plan.Migrations) != latest.newest() || plan.Contracts() {
				t.Errorf("plan: %+v, %v", plan, err)
			}
		}
		if _, err := os.Stat(url); err == nil {
			t.Error("the file was created")
		}
	})
}

// Processes that migrate at the same time do it once, while another one writes.
func TestMigrateTogether(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		insert(t, s, 0, 50)
		var writer, migrations sync.WaitGroup
		writer.Go(func() {
			for i := 50; i < 100; i++ {
				if err := put(t.Context(), s, i); err != nil {
					t.Errorf("insert: %v", err)
					return
				}
			}
		})
		for range 4 {
			migrations.Go(func() {
				if err := Migrate(t.Context(), url, quiet, quick, withSchema(next(t))); err != nil {
					t.Error(err)
				}
			})
		}
		migrations.Wait()
		writer.Wait()
		checkNext(t, url, 100)
	})
}

// checkNext checks what the migrations of next leave.
func checkNext(t *testing.T, url string, rows int) {
	t.Helper()
	p, err := openPools(t.Context(), url, newOptions([]Option{quiet}))
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	s, err := readState(t.Context(), p.read, p.engine)
	if err != nil || s.version != latest.newest()+3 || s.compatible != latest.newest() {
		t.Errorf("state %+v, %v", s, err)
	}
	var versions, all, filled int
	err = p.read.QueryRow(`SELECT (SELECT COUNT(*) FROM signum_schema), (SELECT COUNT(*) FROM subscribers), (SELECT COUNT(extra) FROM subscribers)`).Scan(&versions, &all, &filled)
	if err != nil || versions != s.version || all != rows || filled < 20 {
		t.Errorf("%d versions, %d rows of %d, %d filled, %v", versions, all, rows, filled, err)
	}
	valid := `SELECT COUNT(*) FROM sqlite_schema WHERE type = 'index' AND name = 'subscribers_extra'`
	if p.engine == postgres {
		valid = `SELECT COUNT(*) FROM pg_index WHERE indexrelid = to_regclass('subscribers_extra') AND indisvalid`
	}
	var n int
	if err := p.read.QueryRow(valid).Scan(&n); err != nil || n != 1 {
		t.Errorf("%d indexes, %v", n, err)
	}
}

// A migration that does not get its lock gives way, and tries again: others who wait
// behind it for the same table do not wait for the one that has it.
func TestMigrateUnderLock(t *testing.T) {
	url := pgtest.URL(t)
	s := open(t, url)
	insert(t, s, 0, 20)
	tx, err := s.read.read.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec(`LOCK TABLE subscribers IN ACCESS SHARE MODE; SET LOCAL application_name = 'report'`); err != nil {
		t.Fatal(err)
	}
	waits, migrated := make(signal), make(chan error, 1)
	go func() {
		migrated <- Migrate(t.Context(), url, WithLogger(slog.New(slog.NewTextHandler(waits, nil))), quick, withSchema(next(t)))
	}()
	for line := range waits {
		if strings.Contains(line, "a migration waits for others") {
			break
		}
	}
	go func() {
		for range waits { // the rest of the log
		}
	}()
	defer close(waits)
	insert(t, s, 20, 21) // it would wait for the whole time limit of a transaction otherwise
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-migrated; err != nil {
		t.Fatal(err)
	}
	checkNext(t, url, 21)
}

// signal is a log whose lines somebody waits for.
type signal chan string

func (s signal) Write(line []byte) (int, error) {
	s <- string(line)
	return len(line), nil
}

// When its time is over, it names whose transaction is in the way.
func TestMigrateGivesUp(t *testing.T) {
	url := pgtest.URL(t)
	s := open(t, url)
	tx, err := s.read.read.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec(`LOCK TABLE subscribers IN ACCESS SHARE MODE`); err != nil {
		t.Fatal(err)
	}
	impatient := WithMigrationLimits(MigrationLimits{Lock: time.Millisecond, Wait: 100 * time.Millisecond, Statement: time.Minute, Slice: 1})
	err = Migrate(t.Context(), url, quiet, impatient, withSchema(next(t)))
	if err == nil || !strings.Contains(err.Error(), "column: gave up") || !strings.Contains(err.Error(), "signum, idle in transaction") {
		t.Errorf("%v", err)
	}
}

// migrateEnv names a database. If it is set, the test binary is a process that migrates
// it and says when it has changed some rows.
const migrateEnv = "SIGNUM_TEST_MIGRATE"

func migrateUntilKilled(url string) {
	slow := WithMigrationLimits(MigrationLimits{Lock: time.Second, Wait: time.Minute, Statement: time.Minute, Slice: 1})
	err := Migrate(context.Background(), url, quiet, slow, withSchema(next(new(testing.T))), WithMigrationProgress(func(s MigrationStep) {
		fmt.Println(s.Name, s.Rows)
		if s.Rows == 5 {
			select {} // the parent kills it
		}
	}))
	fmt.Println("done", err)
	os.Exit(0)
}

// A migration that was killed goes on where it was.
func TestMigrateKilled(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		insert(t, s, 0, 30)
		s.Close()
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), migrateEnv+"="+url)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var seen bytes.Buffer
		for buf := make([]byte, 100); !strings.Contains(seen.String(), "fill 5\n"); {
			n, err := out.Read(buf)
			seen.Write(buf[:n])
			if err != nil {
				t.Fatalf("%v after %q", err, seen.String())
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		var first MigrationStep
		var rows int64
		err = Migrate(t.Context(), url, quiet, quick, withSchema(next(t)), WithMigrationProgress(func(s MigrationStep) {
			if first.Name == "" {
				first = s
			}
			rows = max(rows, s.Rows)
		}))
		if err != nil || first.Name != "fill" || first.Of != 2 || rows != 25 {
			t.Errorf("%v, first %+v, %d rows", err, first, rows)
		}
		checkNext(t, url, 30)
	})
}

// An index that an attempt left unfinished is built again.
func TestMigrateInvalidIndex(t *testing.T) {
	url := pgtest.URL(t)
	s := open(t, url)
	insert(t, s, 0, 20)
	s.Close()
	p := openVersion(t, url, latest.newest())
	three := next(t)
	if err := migratorOf(p, schema{three.files, three.list[:latest.newest()+2]}).open(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	// A unique index over equal values fails, and leaves itself behind.
	if _, err := p.write.Exec(`CREATE UNIQUE INDEX CONCURRENTLY subscribers_extra ON subscribers (state)`); err == nil {
		t.Fatal("the index was built")
	}
	if err := Migrate(t.Context(), url, quiet, quick, withSchema(three)); err != nil {
		t.Fatal(err)
	}
	checkNext(t, url, 20)
}

// Behind a pooler, migrations of one transaction run; what needs a session is refused.
func TestMigratePooled(t *testing.T) {
	url := pgtest.PoolerURL(t)
	s := open(t, url)
	insert(t, s, 0, 20)
	s.Close()
	three := next(t)
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			err := Migrate(t.Context(), url, quiet, quick, withSchema(schema{three.files, three.list[:latest.newest()+2]}))
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if err := Migrate(t.Context(), url, quiet, quick, withSchema(three)); err == nil || !strings.Contains(err.Error(), "PostgreSQL itself") {
		t.Errorf("%v", err)
	}
}
