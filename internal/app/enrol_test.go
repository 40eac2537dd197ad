package app

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
)

func TestEnrol(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := newPhone(w)
	code := w.invite(alice, false)
	if len(code) != 12 || code[4] != '-' || code[9] != '-' {
		t.Errorf("code %s", code)
	}
	// The code as people type it.
	begun := p.begin(" " + strings.ToLower(strings.ReplaceAll(code, "0", "o")) + "\n")
	if begun.status != 200 || begun.member("msisdn") != "+41****67" || begun.member("service") != service || begun.member("recovery") != "none" {
		t.Fatalf("%d %s", begun.status, begun.body)
	}
	body := p.enrolBody(begun, "")
	r := w.post("/app/v2/enrol", body)
	p.take(r)
	if r.status != 200 || p.serial != aliceSerial || p.msisdn != alice || len(p.recovery) != 29 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if again := w.post("/app/v2/enrol", body); again.status != 200 || string(again.body) != string(r.body) {
		t.Errorf("repeated: %d %s", again.status, again.body)
	}
	other := newPhone(w)
	w.post("/app/v2/enrol", other.enrolBody(begun, "")).is(t, 404, "code")
	p.begin(code).is(t, 404, "code")
	a := get(w.store, func(s *store) *mssp.AppDevice { return s.apps[p.device] })
	sum := sha256.Sum256(p.verifier)
	if string(a.VerifierHash) != string(sum[:]) || enc(a.Share) != p.share || a.TriesLeft != 3 || a.Name != "My phone" {
		t.Errorf("%+v", a)
	}
	if n := get(w.store, func(s *store) int { return s.enrolled }); n != 1 {
		t.Errorf("enrolled %d times", n)
	}
	w.clock.Advance(11 * time.Minute)
	w.post("/app/v2/enrol", body).is(t, 404, "code")
	p.call("POST", "/app/v2/heartbeat", obj{}).is(t, 200, "")
	for _, secret := range []string{code, p.recovery, p.share, enc(p.verifier), alice} {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("the log has %s", secret)
		}
	}
}

func TestEnrolAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := newPhone(w)
	body := p.enrolBody(p.begin(w.invite(alice, true)), "")
	var wg sync.WaitGroup
	out := make([]reply, 8)
	for i := range out {
		wg.Go(func() { out[i] = w.post("/app/v2/enrol", body) })
	}
	wg.Wait()
	for _, r := range out {
		if string(r.body) != string(out[0].body) || r.status != 200 {
			t.Errorf("%d %s", r.status, r.body)
		}
	}
	if n := get(w.store, func(s *store) int { return s.enrolled }); n != 1 {
		t.Errorf("enrolled %d times", n)
	}
}

func TestEnrolRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := newPhone(w)
	begun := p.begin(w.invite(alice, true))
	good := p.enrolBody(begun, "")
	with := func(set obj) obj {
		b := obj{}
		for k, v := range good {
			b[k] = v
		}
		for k, v := range set {
			b[k] = v
		}
		return b
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	bad, off := spki(t, p384), spki(t, p.key)
	off[len(off)-1] ^= 1
	pt := spki(t, p.key)
	one := newPhone(w)
	one.key = one.auth
	compressed := append([]byte(nil), pt...)
	compressed[26] = 2
	sig := []byte(enc(rawSign(t, p.key, []byte("other"))))
	for name, c := range map[string]struct {
		body   obj
		status int
		code   string
	}{
		"no enrolment":      {with(obj{"enrolment": "none"}), 404, "code"},
		"P-384":             {with(obj{"sign_key": enc(bad)}), 400, "malformed"},
		"off the curve":     {with(obj{"sign_key": enc(off)}), 400, "malformed"},
		"auth off":          {with(obj{"auth_key": enc(off)}), 400, "malformed"},
		"trailing":          {with(obj{"sign_key": enc(append(pt, 0))}), 400, "malformed"},
		"cut compressed":    {with(obj{"sign_key": enc(compressed[:59])}), 400, "malformed"},
		"wrong sign proof":  {with(obj{"sign_proof": string(sig)}), 403, "proof"},
		"wrong auth proof":  {with(obj{"auth_proof": string(sig)}), 403, "proof"},
		"proofs exchanged":  {with(obj{"auth_proof": good["sign_proof"], "sign_proof": good["auth_proof"]}), 403, "proof"},
		"short proof":       {with(obj{"auth_proof": "AAAA"}), 403, "proof"},
		"zero proof":        {with(obj{"auth_proof": enc(make([]byte, 64))}), 403, "proof"},
		"one key":           {one.enrolBody(begun, ""), 403, "proof"},
		"short verifier":    {with(obj{"verifier": "AAAA"}), 400, "malformed"},
		"padding":           {with(obj{"verifier": good["verifier"].(string) + "="}), 400, "malformed"},
		"line break":        {with(obj{"verifier": good["verifier"].(string)[:20] + "\n" + good["verifier"].(string)[20:]}), 400, "malformed"},
		"long name":         {with(obj{"name": strings.Repeat("x", 65)}), 400, "malformed"},
		"name with control": {with(obj{"name": "x\u202e"}), 400, "malformed"},
	} {
		t.Run(name, func(t *testing.T) { w.post("/app/v2/enrol", c.body).is(t, c.status, c.code) })
	}
	w.do("POST", "/app/v2/enrol", "", []byte(`{"enrolment":"a","enrolment":"b"}`)).is(t, 400, "malformed")
	w.do("POST", "/app/v2/enrol", "", []byte(`{`)).is(t, 400, "malformed")
	w.do("POST", "/app/v2/enrol", "", []byte(strings.Repeat(" ", maxBody+1))).is(t, 400, "malformed")
	w.post("/app/v2/enrol", good).is(t, 200, "")
}

func TestCodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := newPhone(w)
	for _, c := range []string{"", "AAAA", "AAAA-AAAA-AU", "ÄAAA-AAAA-AA", strings.Repeat("A", 11), strings.Repeat("-", 100), "AAAA-AAAA-AA"} {
		p.begin(c).is(t, 404, "code")
	}
	old := w.invite(alice, true)
	newer := w.invite(alice, true)
	p.begin(old).is(t, 404, "code")
	begun := p.begin(newer)
	begun.is(t, 200, "")
	w.clock.Advance(15 * time.Minute)
	p.begin(newer).is(t, 404, "code")
	w.post("/app/v2/enrol", p.enrolBody(begun, "")).is(t, 404, "code")
	w.server.sweep(w.clock.Now())
	if n := len(w.server.enrols.by); n != 0 {
		t.Errorf("%d enrolments kept", n)
	}
	if _, _, err := w.server.Invite(context.Background(), "+41790000000", true); !errors.Is(err, mssp.ErrNotFound) {
		t.Errorf("invited an unknown subscriber: %v", err)
	}
	code := w.invite(alice, true)
	for _, state := range []mssp.SubscriberState{mssp.SubscriberInactive, "MOVING"} { // the latter of a newer version
		w.store.subs[alice].State = state
		p.begin(code).is(t, 404, "code")
	}
}

// Enrolments that were begun and abandoned do not pile up.
func TestBeginIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := newPhone(w)
	code := w.invite(alice, true)
	first := p.begin(code)
	var last reply
	for range maxPerInvite {
		last = p.begin(code)
	}
	w.post("/app/v2/enrol", p.enrolBody(first, "")).is(t, 404, "code")
	w.post("/app/v2/enrol", p.enrolBody(last, "")).is(t, 200, "")
}

// Finished enrolments do not keep others from beginning.
func TestManyEnrolments(t *testing.T) {
	t.Parallel()
	s, now := newPendingEnrolments(), time.Unix(1_700_000_000, 0)
	begin := func(i int) *pendingEnrolment {
		return s.begin(&mssp.Invite{CodeHash: fmt.Append(nil, i), MSISDN: alice}, now)
	}
	var first, last *pendingEnrolment
	for i := range maxEnrolments + 1 {
		now = now.Add(time.Millisecond)
		if last = begin(i); last == nil {
			t.Fatalf("refused after %d", i)
		}
		if first == nil {
			first = last
		}
		s.finished(last, now)
		s.finished(last, now) // a repeat
	}
	if s.find(first.id, now) != nil || s.find(last.id, now) == nil || len(s.by) != maxEnrolments {
		t.Errorf("%d are kept", len(s.by))
	}
	oldest := begin(-1)
	for i := range maxEnrolments {
		now = now.Add(time.Microsecond)
		begin(-2 - i)
	}
	if open := len(s.by) - s.kept; s.find(oldest.id, now) != nil || open != maxEnrolments {
		t.Errorf("%d are open, the oldest %v", open, s.find(oldest.id, now))
	}
	s.sweep(now.Add(time.Hour))
	if len(s.by) != 0 || len(s.byCode) != 0 || s.kept != 0 {
		t.Errorf("%d, %d, %d are left", len(s.by), len(s.byCode), s.kept)
	}
}

func TestRecovery(t *testing.T) {
	t.Parallel()
	used := func(t *testing.T) (*world, string) {
		w := newWorld(t)
		p := newPhone(w)
		p.enrol(w.invite(alice, false), "").is(t, 200, "")
		return w, p.recovery
	}
	t.Run("absent", func(t *testing.T) {
		w, old := used(t)
		p := newPhone(w)
		if b := p.begin(w.invite(alice, false)); b.member("recovery") != "wanted" {
			t.Errorf("%s", b.body)
		}
		p.enrol(w.invite(alice, false), "").is(t, 200, "")
		if p.serial == aliceSerial || p.recovery == "" || p.recovery == old {
			t.Errorf("%+v", p)
		}
		if s := get(w.store, func(s *store) string { return s.subs[alice].Serial }); s != p.serial {
			t.Errorf("serial %s", s)
		}
	})
	t.Run("right", func(t *testing.T) {
		w, code := used(t)
		p := newPhone(w)
		p.enrol(w.invite(alice, false), strings.ToLower(strings.ReplaceAll(code, "-", " "))).is(t, 200, "")
		if p.serial != aliceSerial || p.recovery != "" {
			t.Errorf("%+v", p)
		}
	})
	t.Run("wrong", func(t *testing.T) {
		w, code := used(t)
		p := newPhone(w)
		invite := w.invite(alice, false)
		for range maxRecoveryTry {
			p.enrol(invite, strings.Repeat("A", 25)).is(t, 409, "recovery")
		}
		p.enrol(invite, code).is(t, 409, "recovery") // no more tries with this activation code
		p.enrol(w.invite(alice, false), code).is(t, 200, "")
	})
	t.Run("trusted", func(t *testing.T) {
		w, _ := used(t)
		p := newPhone(w)
		p.enrol(w.invite(alice, true), "").is(t, 200, "")
		if p.serial != aliceSerial || p.recovery != "" {
			t.Errorf("%+v", p)
		}
	})
	t.Run("after removal", func(t *testing.T) {
		w, _ := used(t)
		get(w.store, func(s *store) any { s.subs[alice].Devices = nil; return nil })
		p := newPhone(w)
		if b := p.begin(w.invite(alice, false)); b.member("recovery") != "wanted" {
			t.Errorf("%s", b.body)
		}
	})
	t.Run("replaced", func(t *testing.T) {
		w, old := used(t)
		code, err := w.server.SetRecovery(context.Background(), alice)
		if err != nil {
			t.Fatal(err)
		}
		p := newPhone(w)
		p.enrol(w.invite(alice, false), old).is(t, 409, "recovery")
		p.enrol(w.invite(alice, false), code).is(t, 200, "")
	})
}

// An enrolment that fails half-way leaves no certificate behind and can be
// repeated.
func TestEnrolFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := newPhone(w)
	code := w.invite(alice, true)
	body := p.enrolBody(p.begin(code), "")
	w.ca.fail = errors.New("the HSM is off")
	r := w.post("/app/v2/enrol", body)
	r.is(t, 500, "internal")
	if !strings.Contains(w.log.String(), "the HSM is off") || strings.Contains(string(r.body), "HSM") {
		t.Errorf("%s\n%s", r.body, w.log)
	}
	w.ca.fail = nil
	// Another enrolment uses the invite up, between the check and the change.
	w.trap.arm(1, "EnrolApp", "", func() {
		get(w.store, func(s *store) int { clear(s.invites); return 0 })
	})
	w.post("/app/v2/enrol", body).is(t, 404, "code")
	if len(w.ca.revoked) != 1 || w.ca.revoked["1"] != 5 {
		t.Errorf("revoked %v", w.ca.revoked)
	}
}

func TestCertificatesAreTheApps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := newPhone(w)
	r := p.enrol(w.invite(alice, true), "")
	list := r.member("certificates").([]any)
	der, err := unb64u(list[0].(string))
	if err != nil || len(list) != 2 || list[1] != enc([]byte("issuer of 1")) {
		t.Fatal(err, list)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil || !p.key.PublicKey.Equal(cert.PublicKey) || cert.Subject.SerialNumber != aliceSerial {
		t.Error(err)
	}
}

// The recovery code is recognised however it is written, and no other.
func TestCheckRecovery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol(alice)
	code, err := w.server.SetRecovery(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	for typed, want := range map[string]bool{
		code: true, strings.ToLower(strings.ReplaceAll(code, "-", " ")): true, "": false, code[:len(code)-1]: false, code + "0": false,
	} {
		if got, err := w.server.CheckRecovery(t.Context(), alice, typed); got != want || err != nil {
			t.Errorf("%q: %v, %v", typed, got, err)
		}
	}
	if got, err := w.server.CheckRecovery(t.Context(), "+41790000009", code); got || err != nil {
		t.Errorf("without an account: %v, %v", got, err)
	}
	w.store.setFail(errors.New("broken"))
	if _, err := w.server.CheckRecovery(t.Context(), alice, code); err == nil {
		t.Error("a failure of the store passes for a wrong code")
	}
}
