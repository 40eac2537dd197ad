package app

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
)

// An App that cannot be looked up, because the store fails, is woken as soon as it can. Until
// then it counts as not asked.
func TestPostponed(t *testing.T) {
	t.Parallel()
	w, s := pushWorld(t)
	p := w.enrol(alice)
	p.heartbeat(obj{"push": s.subscription("/1")}).is(t, 200, "")
	fails := func(err error) {
		w.store.mu.Lock()
		defer w.store.mu.Unlock()
		w.store.fail = err
	}
	broken := errors.New("the store failed")
	fails(broken)
	r := mssp.DeviceRequest{Op: mssp.OpSign, TransID: "h1", Party: mssp.PartyIdentity{Name: "Bank"}, MSISDN: p.msisdn, DeviceID: p.device, Created: w.clock.Now(), Expires: w.clock.Now().Add(time.Minute)}
	w.engine.add(r)
	if err := w.server.Send(context.Background(), r); !errors.Is(err, mssp.ErrPostponed) || !errors.Is(err, broken) {
		t.Errorf("Send: %v", err)
	}
	// Each sweep tries again, one look-up at a time.
	for range 3 {
		w.trap.arm(1, "App", "wakeUnseen", func() {})
		w.server.sweep(w.clock.Now())
		eventually(t, "another try", func() bool { return w.trap.sprung() && w.waits(r) })
	}
	fails(nil)
	w.server.sweep(w.clock.Now())
	s.next()
	eventually(t, "the App is woken", func() bool { return !w.waits(r) })
	w.server.sweep(w.clock.Now()) // does not wake it again
	if ids := p.connect().welcome(); len(ids) != 1 {
		t.Errorf("%v", ids)
	}
	w.server.Close()
	if len(s.woken) != 0 {
		t.Error("woken twice")
	}
}

// waits reports whether the App of a request is to be looked up by the next sweep.
func (w *world) waits(r mssp.DeviceRequest) bool {
	w.server.registry.mu.Lock()
	defer w.server.registry.mu.Unlock()
	p := w.server.registry.find(r.DeviceID, requestKey{r.TransID, r.Op})
	return p != nil && p.postponed && !p.shown
}
