package app

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// TestAttackManyApps: an account gets no more than five Apps, each of which would be
// asked for every signature. Neither an invite made before nor the recovery code gets
// around that. An account that is reset loses its other Apps, so there is room.
func TestAttackManyApps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := context.Background()
	first := w.enrol(alice)
	for range 4 {
		w.enrol(alice)
	}
	for range 25 {
		if _, _, err := w.server.Invite(ctx, alice, true); !errors.Is(err, mssp.ErrAppLimit) {
			t.Fatalf("one App too many is invited: %v", err)
		}
	}
	w.enrol(bob)

	// The invite was made with a higher limit, or by another way.
	code := newCode(activationLen, activationGroup)
	hash, _ := hashCode(code, activationLen)
	now := w.clock.Now()
	if err := w.store.PutInvite(ctx, &mssp.Invite{CodeHash: hash, MSISDN: alice, Trusted: true, Created: now, Expires: now.Add(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	newPhone(w).begin(code).is(t, 409, "apps")

	p := newPhone(w)
	begun := p.begin(w.invite(alice, false))
	begun.is(t, 200, "")
	w.post("/app/v2/enrol", p.enrolBody(begun, first.recovery)).is(t, 409, "apps")
	if n := w.activeApps(alice); n != 5 {
		t.Errorf("%d Apps", n)
	}
	w.post("/app/v2/enrol", p.enrolBody(begun, "")).is(t, 200, "")
	if n := w.activeApps(alice); n != 1 {
		t.Errorf("%d Apps after the account was reset", n)
	}
	w.enrol(alice)
}

func (w *world) activeApps(msisdn string) int {
	return get(w.store, func(s *store) (n int) {
		for _, d := range s.subs[msisdn].Devices {
			if d.State == signum.DeviceActive {
				n++
			}
		}
		return n
	})
}
