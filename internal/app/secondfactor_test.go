package app

import (
	"bytes"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// An App that kept its signing key cannot use it without its user.
func TestAttackSignatureWithoutUnlock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.enrol(alice)
	r := w.ask(p, "h1")
	p.signOnly("h1", r.SignedAttrs).is(t, 403, "locked")
	p.getShare(p.verifier).is(t, 200, "") // for another purpose
	p.signOnly("h1", r.SignedAttrs).is(t, 403, "locked")
	p.unlock(make([]byte, 32), "h1").is(t, 403, "passcode")
	p.signOnly("h1", r.SignedAttrs).is(t, 403, "locked")
	if a := w.engine.answered(); len(a) != 0 {
		t.Fatalf("%+v", a)
	}
	p.unlock(p.verifier, "h1").is(t, 200, "")
	p.signOnly("h1", r.SignedAttrs).is(t, 204, "")
	p.signOnly("h1", r.SignedAttrs).is(t, 409, "late")
	a := w.engine.answered()
	if len(a) != 1 || a[0].Verified == nil {
		t.Fatalf("%+v", a)
	}
	sum := sha256.Sum256(p.verifier)
	if v := a[0].Verified; v.TransID != "h1" || v.Kind != mssp.ByPasscode || !v.At.Equal(w.clock.Now()) || !bytes.Equal(v.VerifierHash, sum[:]) {
		t.Errorf("evidence: %+v", v)
	}
}

// The passcode that a user entered for one request signs no other one.
func TestAttackUnlockOfAnotherRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.enrol(alice)
	harmless := w.ask(p, "h1")
	p.unlock(p.verifier, "h1").is(t, 200, "")
	r := w.ask(p, "h2", func(r *mssp.DeviceRequest) { r.Created = harmless.Created.Add(1) }) // takes its place
	p.signOnly("h2", r.SignedAttrs).is(t, 403, "locked")
	p.unlock(p.verifier, "h1").is(t, 409, "late")
	p.unlock(p.verifier, "none").is(t, 404, "unknown")
	p.unlock(p.verifier, "").is(t, 400, "malformed")
	p.signOnly("h2", r.SignedAttrs).is(t, 403, "locked")
	p.unlock(p.verifier, "h2").is(t, 200, "")
	p.signOnly("h2", r.SignedAttrs).is(t, 204, "")
	// An assertion is kept as evidence with the key that it verifies with.
	next := w.ask(p, "h3")
	passkey := p.authenticator()
	p.call("POST", "/app/v2/passkey", obj{"id": enc(passkey.id), "public_key": enc(spki(t, passkey.key)), "verifier": enc(p.verifier)}).is(t, 204, "")
	challenge := sha256.Sum256(next.SignedAttrs)
	assertion := passkey.assert(t, challenge[:])
	p.call("POST", "/app/v2/unlock", obj{"assertion": assertion, "id": "h3"}).is(t, 200, "")
	p.signOnly("h3", next.SignedAttrs).is(t, 204, "")
	a := w.engine.answered()
	v := a[len(a)-1].Verified
	if v.Kind != mssp.ByPasskey || v.TransID != "h3" || enc(v.Assertion.Signature) != assertion["signature"] || !bytes.Equal(v.Assertion.PublicKey, spki(t, passkey.key)) {
		t.Errorf("evidence: %+v", v)
	}
}

// An App that was blocked after it got the share signs nothing that waits.
func TestAttackBlockedAppSigns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.enrol(alice)
	r := w.ask(p, "h1")
	p.unlock(p.verifier, "h1").is(t, 200, "")
	for range 3 {
		p.getShare(make([]byte, 32))
	}
	p.signOnly("h1", r.SignedAttrs).is(t, 409, "late")
	if a := w.engine.rechecked(); len(a) != 1 || a[0] != alice {
		t.Errorf("rechecked %v", a)
	}
	next := w.ask(p, "h2") // made before the engine noticed
	p.unlock(p.verifier, "h2").is(t, 423, "blocked")
	p.signOnly("h2", next.SignedAttrs).is(t, 423, "blocked")
	p.answer(obj{"id": "h2", "op": "sign", "cancel": true}).is(t, 204, "") // but it can decline
}

// While an account is suspended, no App of it gets the share or signs.
func TestAttackSuspendedAccountSigns(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*store, *phone){
		"account suspended": func(s *store, p *phone) { s.subs[p.msisdn].State = mssp.SubscriberInactive },
		"App switched off":  func(s *store, p *phone) { s.device(p.device).State = signum.DeviceInactive },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := w.enrol(alice)
			r := w.ask(p, "h1")
			p.unlock(p.verifier, "h1").is(t, 200, "")
			get(w.store, func(s *store) bool { end(s, p); return true })
			p.signOnly("h1", r.SignedAttrs).is(t, 403, "inactive")
			p.unlock(p.verifier, "h1").is(t, 403, "inactive")
			p.getShare(p.verifier).is(t, 403, "inactive")
			if a := w.engine.answered(); len(a) != 0 {
				t.Errorf("%+v", a)
			}
		})
	}
}

// The service is restarted between unlock and answer: the user is not
// asked twice.
func TestUnlockSurvivesRestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.enrol(alice)
	r := w.ask(p, "h1")
	p.unlock(p.verifier, "h1").is(t, 200, "")
	w.stop()
	w.boot()
	w.clock.Advance(time.Second) // past the second of the start, whose proofs are stale
	p.signOnly("h1", r.SignedAttrs).is(t, 204, "")
}

// A passkey can be listed and removed, and unlocks nothing afterwards.
func TestPasskeyList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.enrol(alice)
	list := func() []any {
		r := p.call("GET", "/app/v2/passkey", nil)
		r.is(t, 200, "")
		return r.member("passkeys").([]any)
	}
	if l := list(); len(l) != 0 {
		t.Errorf("%v", l)
	}
	key := p.authenticator()
	p.call("POST", "/app/v2/passkey", obj{"id": enc(key.id), "public_key": enc(spki(t, key.key)), "verifier": enc(p.verifier)}).is(t, 204, "")
	added := float64(w.clock.Now().UnixMilli())
	if l := list(); len(l) != 1 || l[0].(map[string]any)["id"] != enc(key.id) || l[0].(map[string]any)["added"] != added || l[0].(map[string]any)["used"] != nil {
		t.Errorf("%v", l)
	}
	r := w.ask(p, "h1")
	challenge := sha256.Sum256(r.SignedAttrs)
	w.clock.Advance(time.Second)
	p.call("POST", "/app/v2/unlock", obj{"assertion": key.assert(t, challenge[:]), "id": "h1"}).is(t, 200, "")
	if l := list(); l[0].(map[string]any)["used"] != added+1000 {
		t.Errorf("%v", l)
	}
	remove := "/app/v2/passkey?id=" + enc(key.id)
	p.call("DELETE", "/app/v2/passkey?id=*", nil).is(t, 400, "malformed")
	p.call("DELETE", "/app/v2/passkey", nil).is(t, 400, "malformed")
	p.call("DELETE", remove, nil).is(t, 204, "")
	p.call("DELETE", remove, nil).is(t, 404, "unknown")
	p.call("POST", "/app/v2/unlock", obj{"assertion": key.assert(t, challenge[:]), "id": "h1"}).is(t, 403, "passkey")
	if l := list(); len(l) != 0 {
		t.Errorf("%v", l)
	}
}
