package backup

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store"
)

// TestRestoreEndsBetween: a restore that ends between any two of its steps, as when it is
// killed, leaves the old database, the new one, or none that anybody opens. It can then be
// run again, and the old database is kept.
func TestRestoreEndsBetween(t *testing.T) {
	name := filepath.Join(t.TempDir(), "backup")
	must(t, os.WriteFile(name, archive(t), 0o600))
	errEnded := errors.New("ended here")
	for steps := 0; ; steps++ {
		path := filepath.Join(t.TempDir(), "signum.db")
		url := "sqlite:" + path
		s := open(t, url)
		must(t, s.PutParty(t.Context(), &mssp.Party{ID: "old"}))
		must(t, s.Close())
		f, err := os.Open(name)
		must(t, err)
		defer f.Close()
		o := Options{URL: url, Replace: true, Log: slog.New(slog.DiscardHandler)}
		m, err := Verify(t.Context(), f, nil)
		must(t, err)
		_, err = f.Seek(0, 0)
		must(t, err)
		// What a node that was killed leaves.
		must(t, os.WriteFile(path+"-shm", []byte("shared"), 0o600))
		must(t, os.WriteFile(path+"-wal", []byte("log"), 0o600))
		done := 0
		r := &restore{Options: o, archive: f, report: Report{Manifest: m}, rename: func(from, to string) error {
			if done == steps {
				return errEnded
			}
			done++
			return os.Rename(from, to)
		}}
		err = r.file(t.Context(), path)
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
			refusesUnfinished(t, url)
		}
		_, err = Restore(t.Context(), name, o)
		must(t, err)
		if got := rows(t, url)["parties"]; len(got) != 1 || !strings.Contains(got[0], `"p"`) {
			t.Errorf("after %d steps, and again: %q", steps, got)
		}
		kept, err := filepath.Glob(path + ".replaced-*Z")
		if err != nil || len(kept) != 1 || !strings.Contains(strings.Join(rows(t, "sqlite:"+kept[0])["parties"], ""), `"old"`) {
			t.Errorf("after %d steps, the old database is kept as %q, %v", steps, kept, err)
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
