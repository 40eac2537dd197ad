package backup

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/store"
)

// TestRestoreEndsBetween: a restore that ends between any two of its last steps, as when it
// is killed, leaves the old database, the new one, or none that anybody opens. It can then
// be run again, and each file of the old database is kept.
func TestRestoreEndsBetween(t *testing.T) {
	errEnded := errors.New("ended here")
	for steps := 0; ; steps++ {
		path := filepath.Join(t.TempDir(), "signum.db")
		for _, end := range sqliteFiles {
			must(t, os.WriteFile(path+end, []byte("old"+end), 0o600))
		}
		r, done := restore{}, 0
		r.rename = func(from, to string) error {
			if done == steps {
				return errEnded
			}
			done++
			return os.Rename(from, to)
		}
		swap := func() error {
			_, missing := os.Stat(path)
			must(t, os.WriteFile(path+".restoring", []byte("new"), 0o600))
			return r.swap(path+".restoring", path, missing == nil)
		}
		err := swap()
		if err == nil {
			if steps != 5 {
				t.Errorf("%d steps", steps)
			}
			break
		}
		if !errors.Is(err, errEnded) {
			t.Fatalf("after %d steps: %v", steps, err)
		}
		if steps > 0 {
			refusesUnfinished(t, "sqlite:"+path)
		}
		r.rename = os.Rename
		must(t, swap())
		got, err := os.ReadFile(path)
		if err != nil || string(got) != "new" {
			t.Errorf("after %d steps, and again: %q, %v", steps, got, err)
		}
		for _, end := range sqliteFiles {
			if kept, err := filepath.Glob(path + ".replaced-*Z" + end); err != nil || len(kept) != 1 {
				t.Errorf("after %d steps, %q is kept %d times, %v", steps, end, len(kept), err)
			}
		}
		if left, _ := filepath.Glob(path + ".resto*"); len(left) > 0 {
			t.Errorf("after %d steps: left %q", steps, left)
		}
	}
}

// refusesUnfinished checks what nodes and commands say of a database that is being replaced.
func refusesUnfinished(t *testing.T, url string) {
	t.Helper()
	for what, use := range map[string]func(context.Context) error{
		"a node": func(ctx context.Context) error { _, err := store.Open(ctx, url, quiet); return err },
		"a backup": func(ctx context.Context) error {
			_, err := WriteFile(ctx, filepath.Join(t.TempDir(), "b"), url, "test", nil)
			return err
		},
		"the plan of a migration": func(ctx context.Context) error { _, err := store.PlanMigration(ctx, url); return err },
		"a migration":             func(ctx context.Context) error { return store.Migrate(ctx, url, quiet) },
		"its ties":                func(ctx context.Context) error { _, err := store.ReadTies(ctx, url); return err },
	} {
		if err := use(t.Context()); !errors.Is(err, store.ErrUnfinishedRestore) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestRestoreOfDamaged: a file that is damaged is the reason for most restores.
func TestRestoreOfDamaged(t *testing.T) {
	name, path := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "signum.db")
	must(t, os.WriteFile(name, archive(t), 0o600))
	must(t, os.WriteFile(store.RestoredFile(path), nil, 0o600)) // a restore before was killed
	garbage := []byte(strings.Repeat("no database of SQLite", 1000))
	must(t, os.WriteFile(path, garbage, 0o600))
	o := Options{URL: "sqlite:" + path, Log: slog.New(slog.DiscardHandler)}
	if _, err := Restore(t.Context(), name, o); !errors.Is(err, store.ErrNotEmpty) {
		t.Errorf("without replace: %v", err)
	}
	o.Replace = true
	r, err := Restore(t.Context(), name, o)
	must(t, err)
	if kept, err := os.ReadFile(r.Replaced); err != nil || string(kept) != string(garbage) {
		t.Errorf("kept %d bytes, %v", len(kept), err)
	}
	must(t, open(t, o.URL).Close())
}
