package app

import (
	"bytes"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/testkit"
)

// node starts another server on the same store, as a second node does.
func (w *world) node() *world {
	w.t.Helper()
	other := &world{t: w.t, clock: w.clock, store: w.store, ca: w.ca, engine: w.engine, log: w.log, cfg: w.cfg}
	other.boot()
	w.t.Cleanup(other.stop)
	return other
}

// A heartbeat on one node does not undo what the App changes on another.
func TestHeartbeatOnAnotherNode(t *testing.T) {
	t.Parallel()
	a := newWorld(t, func(c *Config) { c.AllowPush = func(*url.URL) error { return nil } })
	b := a.node()
	p := a.enrol(alice)
	onB := *p
	onB.w = b
	endpoint := "https://push.example/1"
	key := testkit.ECKey(t).PublicKey
	point, err := key.ECDH()
	if err != nil {
		t.Fatal(err)
	}
	push := obj{"endpoint": endpoint, "p256dh": enc(point.Bytes()), "auth": enc(make([]byte, 16))}
	for round := range 5 {
		stop := make(chan struct{})
		var beats sync.WaitGroup
		beats.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					onB.heartbeat(obj{"version": fmt.Sprint(i)}).is(t, 200, "")
				}
			}
		})
		next := bytes.Repeat([]byte{byte(round)}, 32)
		p.call("POST", "/app/v2/passcode", obj{"verifier": enc(p.verifier), "new_verifier": enc(next)}).is(t, 204, "")
		p.verifier = next
		p.call("POST", "/app/v2/passkey", obj{"id": enc([]byte{byte(round)}), "public_key": enc(spki(t, p.key)), "verifier": enc(next)}).is(t, 204, "")
		p.heartbeat(obj{"push": push}).is(t, 200, "")
		close(stop)
		beats.Wait()
		onB.getShare(next).is(t, 200, "")
		kept := get(a.store, func(s *store) *mssp.AppDevice { return s.apps[p.device] })
		if len(kept.Passkeys) != round+1 || kept.Push == nil || kept.Push.Endpoint != endpoint {
			t.Errorf("%d passkeys, push %v", len(kept.Passkeys), kept.Push)
		}
	}
}

// If several nodes renew a certificate at once, the device gets one of the new
// ones, and the others are revoked.
func TestRenewalOnTwoNodes(t *testing.T) {
	t.Parallel()
	a := newWorld(t)
	a.ca.life = 90 * 24 * time.Hour
	b := a.node()
	p := a.enrol(alice)
	onB := *p
	onB.w = b
	a.clock.Advance(70 * 24 * time.Hour)
	var calls sync.WaitGroup
	for range 10 {
		calls.Go(func() { p.heartbeat(obj{}).is(t, 200, "") })
		calls.Go(func() { onB.heartbeat(obj{}).is(t, 200, "") })
	}
	calls.Wait()
	good := 0
	serial := get(a.store, func(s *store) string { return s.device(p.device).Certificate.Serial })
	for n := range a.ca.n {
		if _, revoked := a.ca.revoked[fmt.Sprintf("%x", n+1)]; !revoked {
			good++
		}
	}
	if _, revoked := a.ca.revoked[serial]; revoked || good != 2 { // the original, and this one
		t.Errorf("the device has %s; %d of %d are good, revoked are %v", serial, good, a.ca.n, a.ca.revoked)
	}
}

// A removal and a renewal at the same time leave no good certificate.
func TestRemovalDuringRenewal(t *testing.T) {
	t.Parallel()
	for range 10 {
		a := newWorld(t)
		a.ca.life = 90 * 24 * time.Hour
		b := a.node()
		p := a.enrol(alice)
		onB := *p
		onB.w = b
		a.clock.Advance(70 * 24 * time.Hour)
		first := get(a.store, func(s *store) string { return s.device(p.device).Certificate.Serial })
		var calls sync.WaitGroup
		calls.Go(func() { onB.heartbeat(obj{}) })
		calls.Go(func() { p.call("DELETE", "/app/v2/device", nil).is(t, 204, "") })
		calls.Wait()
		for n := range a.ca.n {
			serial := fmt.Sprintf("%x", n+1)
			if _, revoked := a.ca.revoked[serial]; !revoked && serial != first {
				t.Errorf("certificate %s is good, its device is removed", serial)
			}
		}
	}
}
