package simcards

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// TestEndAndReopen: the operator ends a SIM and lets it be activated again. Each step can
// be repeated, and its user is told once that the SIM has ended.
func TestEndAndReopen(t *testing.T) {
	t.Parallel()
	b := newTestBook(t)
	ctx, number := t.Context(), cardNumber(1)
	b.load(cardLine(1, 1))
	b.activate(1, "a1")
	id := b.cardOf(1).DeviceID
	refusedWith(t, b.Reopen(ctx, number, true), "is active")
	refusedWith(t, b.End(ctx, "none"), "not the number")
	refusedWith(t, b.End(ctx, cardNumber(9)), "+41****09 has no SIM")
	refusedWith(t, b.Reopen(ctx, cardNumber(9), false), "has no SIM")
	if _, err := b.store.Consent(ctx, number, mssp.ConsentActivate, id, b.clock.Now()); !errors.Is(err, mssp.ErrNotFound) {
		t.Errorf("refused, but the serial is kept: %v", err)
	}
	state := func(want signum.DeviceState, ended mssp.DeviceEnd) {
		t.Helper()
		if d := b.subscriber(1).Devices[0]; d.State != want || d.Ended != ended {
			t.Errorf("%+v, want %s, %q", d, want, ended)
		}
	}
	for range 2 {
		if err := b.End(ctx, number); err != nil {
			t.Fatal(err)
		}
		state(signum.DeviceInactive, mssp.EndedByOperator)
	}
	if !slices.Equal(b.revoked, []string{"a1 5"}) || !slices.Equal(b.checked, []string{number, number}) {
		t.Errorf("revoked %v, rechecked %v", b.revoked, b.checked)
	}
	if err := b.SetState(ctx, cardICCID(1), mssp.CardBlocked); err != nil {
		t.Fatal(err)
	}
	refusedWith(t, b.Reopen(ctx, number, true), "unblock it first")
	if err := errors.Join(b.SetState(ctx, cardICCID(1), mssp.CardActive), b.Reopen(ctx, number, false)); err != nil {
		t.Fatal(err)
	}
	state(signum.DeviceRegistered, "")
	if _, err := b.store.Consent(ctx, number, mssp.ConsentActivate, id, b.clock.Now()); !errors.Is(err, mssp.ErrNotFound) {
		t.Errorf("the serial is kept: %v", err)
	}
	if err := b.Reopen(ctx, number, true); err != nil {
		t.Fatal(err)
	}
	c, err := b.store.Consent(ctx, number, mssp.ConsentActivate, id, b.clock.Now().Add(keepFor-time.Second))
	if err != nil || c.DeviceID != "" {
		t.Errorf("%+v, %v", c, err)
	}
	if want := []string{"sim_ended " + number + " " + id, "sim_waiting " + number + " " + id, "sim_waiting " + number + " " + id}; !slices.Equal(b.told, want) {
		t.Errorf("told %v, want %v", b.told, want)
	}
}

// TestKeepSerial: only a swap for which the operator vouches lets the account keep its
// serial, also if it is said afterwards.
func TestKeepSerial(t *testing.T) {
	t.Parallel()
	b := newTestBook(t)
	ctx, number := t.Context(), cardNumber(1)
	b.load(cardLine(1, 1), cardLine(2, -1), cardLine(3, -1))
	kept := func() bool {
		_, err := b.store.Consent(ctx, number, mssp.ConsentActivate, b.cardOf(1).DeviceID, b.clock.Now())
		return err == nil
	}
	for _, tt := range []struct {
		card int
		keep bool
		want bool
	}{{2, false, false}, {2, true, true}, {2, false, true}, {3, true, true}} {
		if err := b.Swap(ctx, number, cardICCID(tt.card), tt.keep); err != nil {
			t.Fatal(err)
		}
		if got := kept(); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
	if len(b.told) != 2 {
		t.Errorf("told %v", b.told)
	}
}
