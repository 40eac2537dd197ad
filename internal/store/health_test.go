package store

import (
	"context"
	"testing"

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
