package engine

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// failingStore has nothing outstanding, and fails when it is asked for what is overdue,
// once the test says so.
type failingStore struct {
	mssp.Store
	err atomic.Pointer[error]
}

func (s *failingStore) OutstandingTransactions(context.Context, time.Time, string, int) ([]*mssp.Transaction, error) {
	return nil, nil
}

func (s *failingStore) ExpiredReceipts(context.Context, time.Time, int) ([]string, error) {
	return nil, nil
}

func (s *failingStore) ExpiredTransactions(context.Context, time.Time, int) ([]string, error) {
	if err := s.err.Load(); err != nil {
		return nil, *err
	}
	return nil, nil
}

// A node whose store fails makes progress all the same: to restart it would help nobody.
func TestProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &failingStore{}
		e, err := New(Config{Store: st, Chains: noChains{}, Channels: map[signum.Method]mssp.Channel{signum.SIM: noChannel{}}})
		if err != nil {
			t.Fatal(err)
		}
		if !e.Progress().IsZero() {
			t.Error("there is progress before Run")
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- e.Run(ctx) }()
		for _, failure := range []*error{nil, &errAny, nil} {
			st.err.Store(failure)
			for range 3 {
				time.Sleep(outage + e.cfg.Sweep)
				synctest.Wait()
				if age := time.Since(e.Progress()); age > outage {
					t.Errorf("the store fails: %v; no progress for %s", failure != nil, age)
				}
			}
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if e.Progress().IsZero() {
			t.Error("no progress")
		}
	})
}
