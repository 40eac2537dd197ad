package engine

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// deadlineStore notes how long the store may take for the calls of a request.
type deadlineStore struct {
	mssp.Store
	subscriber, insert time.Duration
}

func left(ctx context.Context) time.Duration {
	end, ok := ctx.Deadline()
	if !ok {
		return time.Hour
	}
	return time.Until(end)
}

func (s *deadlineStore) Subscriber(ctx context.Context, msisdn string) (*mssp.Subscriber, error) {
	s.subscriber = left(ctx)
	return s.Store.Subscriber(ctx, msisdn)
}

func (s *deadlineStore) InsertTransaction(ctx context.Context, t *mssp.Transaction) error {
	s.insert = left(ctx)
	return s.Store.InsertTransaction(ctx, t)
}

// A request whose time is shorter than what the store may take is answered when its own
// time is over.
func TestStoreWaitWithinTimeOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
	w.cfg.MinTimeout = time.Second
	st := &deadlineStore{Store: w.store}
	w.cfg.Store = st
	for i, tt := range []struct {
		timeOut int // 0: the default
		most    time.Duration
	}{{1, 2 * time.Second}, {4, 5 * time.Second}, {60, 10 * time.Second}, {0, 10 * time.Second}} {
		s := w.addUser(i, approves, signum.EC, signum.SIM)
		_, err := w.ask(s, func(r *signum.SignatureRequest) {
			if tt.timeOut > 0 {
				r.TimeOut = fmt.Sprint(tt.timeOut)
			}
		})
		if err != nil || st.subscriber > tt.most || st.insert > tt.most {
			t.Errorf("TimeOut %d: %v; the store had %s and %s, want at most %s", tt.timeOut, err, st.subscriber, st.insert, tt.most)
		}
	}
}
