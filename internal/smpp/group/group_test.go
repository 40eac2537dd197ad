package group

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum/internal/smpp"
)

// Messages are spread by weight, and a standby gets none.
func TestWeights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c := &peer{name: "a", weight: 3}, &peer{name: "b", weight: 1}, &peer{name: "c"}
		g, stop := start(t, a, b, c)
		defer stop()
		next := 0
		g.roll = func(n int) int { next++; return next % n }
		for i := range 8 {
			if _, err := text(within(t, time.Minute), g, fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		if len(a.took()) != 6 || len(b.took()) != 2 || len(c.took()) != 0 {
			t.Errorf("a took %v, b %v, c %v", a.took(), b.took(), c.took())
		}
		if s := g.Stats(); s[0].Taken != 6 || s[1].Taken != 2 || s[2].Taken != 0 || s[2].Bound.Total() != 1 || g.Bound() != 3 {
			t.Errorf("%+v", s)
		}
	})
}

// When an SMSC is lost, messages take another at once, the standby if there is no other,
// and return when it is back.
func TestFailoverAndReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &peer{name: "a", weight: 1}, &peer{name: "b"}
		g, stop := start(t, a, b)
		defer stop()
		start := time.Now()
		for _, step := range []struct {
			do   func()
			want string
		}{
			{func() {}, "a"},
			{a.leave, "b"},
			{func() { a.comeBack(); time.Sleep(2 * time.Second) }, "a"},
			{b.leave, "a"},
		} {
			step.do()
			synctest.Wait()
			before := time.Now()
			by, err := text(within(t, time.Minute), g, "hello")
			if by != step.want || err != nil || time.Since(before) > 0 {
				t.Fatalf("after %v: by %s, %v, want %s", time.Since(start), by, err, step.want)
			}
		}
	})
}

// A message that waits for an SMSC that has no session takes the one that comes back
// first.
func TestWaitingMessageTakesTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &peer{name: "a", weight: 5, away: true}, &peer{name: "b", weight: 1, away: true}
		g, stop := start(t, a, b)
		defer stop()
		g.roll = func(int) int { return 0 } // a
		done := make(chan string)
		go func() {
			by, err := text(within(t, time.Minute), g, "hello")
			done <- fmt.Sprint(by, err)
		}()
		synctest.Wait()
		b.comeBack()
		if got := <-done; got != "b<nil>" {
			t.Error(got)
		}
		if n := len(b.took()); n != 1 {
			t.Errorf("b took it %d times", n)
		}
	})
}

// If no SMSC is bound, a message waits for the end of its context, as with one.
func TestNobodyIsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, stop := start(t, &peer{name: "a", weight: 1, away: true}, &peer{name: "b", weight: 1, away: true})
		defer stop()
		before := time.Now()
		_, err := text(within(t, 30*time.Second), g, "hello")
		if !errors.Is(err, smpp.ErrUnbound) || errors.Is(err, smpp.ErrTimeout) || time.Since(before) != 30*time.Second {
			t.Errorf("after %v: %v", time.Since(before), err)
		}
	})
}

// A message that the SMSC may have is not sent by another: its loss in mid-flight is
// ErrTimeout, and so is its silence. A refusal is the answer.
func TestNoSecondCopy(t *testing.T) {
	t.Run("lost", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, b := &peer{name: "a", weight: 1, hang: true}, &peer{name: "b"}
			g, stop := start(t, a, b)
			defer stop()
			done := make(chan error)
			go func() { _, err := text(within(t, time.Minute), g, "hello"); done <- err }()
			synctest.Wait()
			a.leave()
			if err := <-done; !errors.Is(err, smpp.ErrTimeout) {
				t.Error(err)
			}
			if len(b.took()) != 0 {
				t.Error("a second copy")
			}
		})
	})
	t.Run("silent", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, b := &peer{name: "a", weight: 1, hang: true}, &peer{name: "b"}
			g, stop := start(t, a, b)
			defer stop()
			if _, err := text(within(t, time.Minute), g, "hello"); !errors.Is(err, smpp.ErrTimeout) {
				t.Error(err)
			}
			if len(b.took()) != 0 || g.Stats()[0].Unanswered != 1 {
				t.Errorf("a second copy, or not counted: %+v", g.Stats())
			}
		})
	})
	t.Run("refused", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := &peer{name: "a", weight: 1, handle: func() smpp.Status { return smpp.StatusInvalidDst }}
			b := &peer{name: "b"}
			g, stop := start(t, a, b)
			defer stop()
			if _, err := text(within(t, time.Minute), g, "hello"); !errors.Is(err, smpp.StatusInvalidDst) {
				t.Error(err)
			}
			if len(b.took()) != 0 || g.Stats()[0].Refused != 1 {
				t.Errorf("sent by another, or not counted: %+v", g.Stats())
			}
		})
	})
}

// All parts of a message take one route. If its SMSC is lost between two parts, all of
// them go by another.
func TestPartsStayTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &peer{name: "a", weight: 1}, &peer{name: "b", weight: 1}
		g, stop := start(t, a, b)
		defer stop()
		next := 0
		g.roll = func(n int) int { next++; return next % n } // another for each message
		parts := func(ctx context.Context, lose bool) error {
			return g.Send(ctx, func(r *Route) error {
				for i := range 3 {
					if lose && i == 1 && r.Name == "a" {
						a.leave()
						synctest.Wait()
					}
					if _, err := r.Submit(ctx, &smpp.SubmitSM{Dest: r.Style.Dest("1"), ShortMessage: []byte{byte('1' + i)}}); err != nil {
						return err
					}
				}
				return nil
			})
		}
		for range 4 {
			if err := parts(within(t, time.Minute), false); err != nil {
				t.Fatal(err)
			}
		}
		all := []string{"1", "2", "3", "1", "2", "3"}
		if !slices.Equal(a.took(), all) || !slices.Equal(b.took(), all) {
			t.Errorf("a took %v, b %v", a.took(), b.took())
		}
		for next%2 == 0 {
			next++ // so that the next is a
		}
		if err := parts(within(t, time.Minute), true); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(a.took(), append(all, "1")) || !slices.Equal(b.took(), append(all, "1", "2", "3")) {
			t.Errorf("after the loss, a took %v, b %v", a.took(), b.took())
		}
	})
}

// While an SMSC refuses messages because of load, they go by another, but by no standby.
func TestLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &peer{name: "a", weight: 1, handle: func() smpp.Status { return smpp.StatusThrottled }}
		b, c := &peer{name: "b", weight: 1, away: true}, &peer{name: "c"}
		g, stop := start(t, a, b, c)
		defer stop()
		for i := range 3 {
			if _, err := textTo(within(t, time.Minute), g, fmt.Sprint("4179000000", i), "x"); !errors.Is(err, smpp.StatusThrottled) {
				t.Fatal(err)
			}
		}
		if s := g.Stats(); !s[0].Throttled || s[0].Refused != 3 || len(c.took()) != 0 {
			t.Fatalf("%+v, the standby took %v", s, c.took())
		}
		b.comeBack()
		time.Sleep(2 * time.Second)
		before := time.Now()
		for i := range 5 {
			if by, err := textTo(within(t, time.Minute), g, fmt.Sprint("4179000001", i), "x"); by != "b" || err != nil {
				t.Errorf("by %s, %v", by, err)
			}
		}
		if time.Since(before) > 0 {
			t.Errorf("they took %v", time.Since(before))
		}
	})
}

func TestNewRefuses(t *testing.T) {
	if _, err := New(nil); err == nil {
		t.Error("a group without an SMSC")
	}
	_, err := New([]SMSC{{Name: "north", Client: smpp.ClientConfig{SystemID: "signum"}}})
	if err == nil || err.Error() != "SMSC north: smpp: no address of an SMSC" {
		t.Error(err)
	}
}
