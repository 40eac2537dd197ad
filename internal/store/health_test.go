package store

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storetest"
)

// A store answers a ping until it is closed, and counts its commits.
func TestHealth(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		if err := s.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if s.Ping(ended) == nil {
			t.Error("a ping whose time is over succeeded")
		}
		before := s.Stats()
		for n := range 3 {
			if err := s.InsertTransaction(t.Context(), storetest.NewTransaction(n)); err != nil {
				t.Fatal(err)
			}
		}
		after := s.Stats()
		if writes, commits := after.Writes-before.Writes, after.Commits-before.Commits; writes != 3 || commits != 3 {
			t.Errorf("%d writes in %d commits, want 3 in 3", writes, commits)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s.Ping(t.Context()) == nil {
			t.Error("a closed store answered")
		}
	})
}

// A database that can be read but not written does not work. As soon as it can be
// written, it does.
func TestCheckWrites(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "db")
	s := open(t, "sqlite:"+path)
	other, err := sql.Open("sqlite", sqliteDSN(path, "_txlock=immediate"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	tx, err := other.BeginTx(t.Context(), nil) // nobody else can write
	if err != nil {
		t.Fatal(err)
	}
	soon := func(f func(context.Context) error) error {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		return f(ctx)
	}
	if err := soon(s.Check); err != nil {
		t.Errorf("nothing has failed: %v", err)
	}
	s.done.failing.Store(true)
	if err := soon(s.Check); !errors.Is(err, mssp.ErrUncertain) {
		t.Errorf("nothing can be written: %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(t.Context()); err != nil || s.done.failing.Load() {
		t.Errorf("it can be written again: %v", err)
	}
}
