package store

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
)

// A database that hangs does not hold its callers: whatever they wait for, they get an
// error in time, which says whether the write may have been committed.
func TestWriteInTime(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		taken     bool // by a writer
		answered  bool // at last
		ctx       func(context.Context) (context.Context, context.CancelFunc)
		want      error // nil: none
		uncertain bool
	}{
		{"the deadline comes first", false, false, within(time.Second), context.DeadlineExceeded, false},
		{"the limit comes first", false, false, within(time.Hour), context.DeadlineExceeded, false},
		{"the caller is gone", false, false, gone(time.Second), context.Canceled, false},
		{"taken, and the deadline comes", true, false, within(time.Second), context.DeadlineExceeded, true},
		{"taken, and the limit comes", true, false, within(time.Hour), context.DeadlineExceeded, true},
		{"taken, and the caller is gone, but the write goes on", true, true, gone(time.Second), nil, false},
		{"taken, the caller is gone, and the limit comes", true, false, gone(time.Second), context.DeadlineExceeded, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newQueue(1)
				ctx, cancel := tt.ctx(t.Context())
				defer cancel()
				w := &write{}
				done := make(chan error, 1)
				go func() { done <- q.do(ctx, w) }()
				synctest.Wait()
				if tt.taken {
					q.take(0, nil, 1)
				}
				if tt.answered {
					time.Sleep(2 * time.Second)
					w.answer <- nil
				}
				err := <-done
				if !errors.Is(err, tt.want) || errors.Is(err, mssp.ErrUncertain) != tt.uncertain {
					t.Errorf("got %v", err)
				}
				if tt.want == nil && err != nil {
					t.Error(err)
				}
				if !tt.taken && len(q.poll(0, nil, 1)) != 0 {
					t.Error("a withdrawn write is taken")
				}
			})
		})
	}
}

func within(d time.Duration) func(context.Context) (context.Context, context.CancelFunc) {
	return func(ctx context.Context) (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, d) }
}

func gone(after time.Duration) func(context.Context) (context.Context, context.CancelFunc) {
	return func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(ctx)
		go func() {
			time.Sleep(after)
			cancel()
		}()
		return ctx, cancel
	}
}

// A writer gives writes back that had no effect. They wait again, and their callers can
// withdraw them; the write of a caller that has left is dropped.
func TestGiveBack(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		back      time.Duration // after it was taken; the deadline of the caller comes after a second
		again     bool          // it can be taken again
		uncertain bool
	}{
		{"in time", time.Second / 2, true, false},
		{"too late", 2 * time.Second, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newQueue(1)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				done := make(chan error, 1)
				go func() { done <- q.do(ctx, &write{}) }()
				synctest.Wait()
				group := q.take(0, nil, 1)
				time.Sleep(tt.back)
				if !q.giveBack(group) {
					t.Error("an open queue takes nothing back")
				}
				if again := q.poll(0, nil, 1); len(again) == 1 != tt.again {
					t.Errorf("%d writes wait", len(again))
				} else if tt.again && !q.giveBack(again) {
					t.Error("not a second time")
				}
				if err := <-done; !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, mssp.ErrUncertain) != tt.uncertain {
					t.Errorf("got %v", err)
				}
				if n := len(q.poll(0, nil, 1)); n != 0 {
					t.Errorf("%d writes wait after their caller left", n)
				}
				q.close()
				if q.giveBack(group) {
					t.Error("a closed queue takes writes back")
				}
			})
		})
	}
}
