package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/testkit"
)

// A clock that is set ends nothing that is outstanding, and holds nothing up. What comes
// afterwards goes by the clock as it is then.
func TestClockJump(t *testing.T) {
	t.Parallel()
	for _, by := range []time.Duration{200 * time.Second, -200 * time.Second, 120 * time.Second, -120 * time.Second} {
		t.Run(fmt.Sprint(by), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
			clock := new(testkit.JumpingClock)
			w.cfg.Clock = clock
			w.cfg.MinTimeout = time.Second
			s, other := w.addUser(1, silent, signum.EC, signum.App), w.addUser(2, silent, signum.EC, signum.SIM)
			w.run()
			id := w.begin(s)
			w.awaitShown(id)
			short := w.begin(other, func(r *signum.SignatureRequest) { r.TimeOut = "2" })
			clock.Jump(by)
			seen := func() uint64 { n := w.ClockJumps(); return n["forward"] + n["backward"] }
			for deadline := time.Now().Add(patience); seen() == 0; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("the jump was not noticed")
				}
			}
			// A short one that was outstanding ends at its time; the long one goes on, and its
			// phone can still ask for it and answer.
			if got := w.stored(short); got != signum.ExpiredTransaction {
				t.Errorf("the short one: %d", got)
			}
			list, err := w.Pending(t.Context(), s.Devices[0].ID)
			if err != nil || len(list) != 1 {
				t.Errorf("the phone is asked for %d: %v", len(list), err)
			}
			if got := w.outcome(id); got != signum.OutstandingTransact {
				t.Errorf("the long one: %d", got)
			}
			d, err := w.phones.Device(s.Devices[0].ID)
			if err != nil {
				t.Fatal(err)
			}
			a, err := d.Act(id, approves)
			if err == nil {
				err = w.Answer(t.Context(), a)
			}
			if err != nil {
				t.Error(err)
			}
			if got := w.stored(id); got != signum.SignatureMade {
				t.Errorf("the long one, answered: %d", got)
			}
			if n := seen(); n != 1 {
				t.Errorf("%d jumps", n)
			}
		})
	}
}

var _ mssp.Clock = (*testkit.JumpingClock)(nil)
