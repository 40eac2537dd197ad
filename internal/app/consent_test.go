package app

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/testkit"
)

func TestAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, other := w.enrol(alice), w.enrol(bob)
	r := w.ask(p, "h1")
	// Another device has no such request and cannot end it.
	other.sign("h1", r.SignedAttrs).is(t, 404, "unknown")
	other.answer(obj{"id": "h1", "op": "sign", "cancel": true}).is(t, 404, "unknown")
	p.sign("none", r.SignedAttrs).is(t, 404, "unknown")
	p.answer(obj{"id": "h1", "op": "display", "receipt": "OK"}).is(t, 404, "unknown")
	if n := len(w.engine.answered()); n != 0 {
		t.Fatalf("%d answers", n)
	}
	measured := w.clock.Now().UnixMilli()
	p.unlock(p.verifier, "h1").is(t, 200, "")
	p.answer(obj{
		"id": "h1", "op": "sign", "signature": enc(rawSign(t, p.key, r.SignedAttrs)), "choice": "47",
		"location": obj{"country": "CH", "accuracy": 16, "device_confidence": 1.0, "location_confidence": 0.9, "measured": measured},
	}).is(t, 204, "")
	a := w.engine.answered()[0]
	if a.DeviceID != p.device || a.TransID != "h1" || a.Choice != "47" || !derOK(p.key, r.SignedAttrs, a.Signature) || a.Fault != nil {
		t.Errorf("%+v", a)
	}
	if l := a.Location; l == nil || l.Country != "CH" || l.Accuracy != 16 || l.LocationConfidence != 0.9 || l.Measured.UnixMilli() != measured {
		t.Errorf("%+v", a.Location)
	}
	p.sign("h1", r.SignedAttrs).is(t, 409, "late")

	w.ask(p, "h2")
	p.answer(obj{"id": "h2", "op": "sign", "cancel": true}).is(t, 204, "")
	w.ask(p, "h4")
	p.answer(obj{"id": "h4", "op": "sign", "cancel": true, "report": true}).is(t, 204, "")
	w.ask(p, "h3")
	p.unlock(p.verifier, "h3").is(t, 200, "")
	p.answer(obj{"id": "h3", "op": "sign", "signature": enc(rawSign(t, p.key, nil)), "location": obj{"error": 103}}).is(t, 204, "")
	w.ask(p, "h3", display)
	p.answer(obj{"id": "h3", "op": "display", "receipt": "TIMEOUT"}).is(t, 204, "")
	list := w.engine.answered()
	if list[1].Fault.Code != signum.UserCancel || list[1].Reported || list[2].Fault.Code != signum.UserCancel || !list[2].Reported {
		t.Errorf("cancelled and reported: %+v", list[1:3])
	}
	if list[3].Location.Error != signum.GeoDenied || list[4].Receipt != signum.ReceiptTimedOut {
		t.Errorf("%+v", list)
	}
}

func TestAnswersMalformed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.enrol(alice)
	w.ask(p, "h1")
	sig := enc(rawSign(t, p.key, nil))
	n := make([]byte, 64)
	copy(n[32:], ecdsaOrder)
	n[31] = 1
	for name, body := range map[string]obj{
		"nothing":         {"id": "h1"},
		"activate":        {"id": "h1", "op": "activate"},
		"neither":         {"id": "h1", "op": "sign"},
		"both":            {"id": "h1", "op": "sign", "signature": sig, "cancel": true},
		"receipt":         {"id": "h1", "op": "sign", "cancel": true, "receipt": "OK"},
		"report":          {"id": "h1", "op": "sign", "report": true},
		"signed report":   {"id": "h1", "op": "sign", "signature": sig, "report": true},
		"display report":  {"id": "h1", "op": "display", "receipt": "CANCEL", "report": true},
		"display reports": {"id": "h1", "op": "display", "receipt": "CANCEL", "cancel": true, "report": true},
		"short":           {"id": "h1", "op": "sign", "signature": enc(make([]byte, 63))},
		"zero":            {"id": "h1", "op": "sign", "signature": enc(make([]byte, 64))},
		"the order":       {"id": "h1", "op": "sign", "signature": enc(n)},
		"LOST":            {"id": "h1", "op": "display", "receipt": "LOST"},
		"signed display":  {"id": "h1", "op": "display", "receipt": "OK", "signature": sig},
		"no country":      {"id": "h1", "op": "sign", "signature": sig, "location": obj{}},
		"country":         {"id": "h1", "op": "sign", "signature": sig, "location": obj{"country": "ch", "measured": 1}},
		"accuracy":        {"id": "h1", "op": "sign", "signature": sig, "location": obj{"country": "CH", "measured": 1, "accuracy": -1}},
		"confidence":      {"id": "h1", "op": "sign", "signature": sig, "location": obj{"country": "CH", "measured": 1, "device_confidence": 1.1}},
		"never measured":  {"id": "h1", "op": "sign", "signature": sig, "location": obj{"country": "CH"}},
		"unknown error":   {"id": "h1", "op": "sign", "signature": sig, "location": obj{"error": 1}},
		"op of the wrong": {"id": "h1", "op": 1},
	} {
		t.Run(name, func(t *testing.T) { p.answer(body).is(t, 400, "malformed") })
	}
	if n := len(w.engine.answered()); n != 0 {
		t.Errorf("%d answers", n)
	}
	w.engine.setFail(errors.New("no disk"))
	p.sign("h1", nil).is(t, 500, "internal")
	w.engine.setFail(nil)
	p.sign("h1", nil).is(t, 204, "") // the failed call did not count as an answer
}

// ecdsaOrder is the order n of P-256.
var ecdsaOrder = func() []byte {
	b := make([]byte, 32)
	copy(b, []byte{0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF})
	copy(b[16:], []byte{0xBC, 0xE6, 0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51})
	return b
}()

// unlock asks for the share for a request.
func (p *phone) unlock(verifier []byte, id string) reply {
	return p.call("POST", "/app/v2/unlock", obj{"verifier": enc(verifier), "id": id})
}

// getShare asks for the share for work on how the key is protected.
func (p *phone) getShare(verifier []byte) reply {
	return p.call("POST", "/app/v2/share", obj{"verifier": enc(verifier)})
}

func TestUnlock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, second := w.enrol(alice), w.enrol(alice)
	w.ask(p, "h1")
	wrong := make([]byte, 32)
	r := p.unlock(p.verifier, "h1")
	r.is(t, 200, "")
	if r.member("share") != p.share {
		t.Errorf("%s", r.body)
	}
	for range 2 { // the right passcode restores all tries
		for left := 2; left > 0; left-- {
			r := p.unlock(wrong, "h1")
			r.is(t, 403, "passcode")
			if r.member("tries_left") != float64(left) {
				t.Errorf("%s, want %d left", r.body, left)
			}
		}
		p.getShare(p.verifier).is(t, 200, "")
	}
	p.unlock(wrong[:31], "h1").is(t, 400, "malformed")
	p.call("POST", "/app/v2/unlock", obj{"id": "h1"}).is(t, 400, "malformed")
	p.unlock(wrong, "h1").is(t, 403, "passcode")
	p.call("POST", "/app/v2/passcode", obj{"verifier": enc(wrong), "new_verifier": enc(wrong)}).is(t, 403, "passcode")
	p.unlock(wrong, "h1").is(t, 423, "blocked")
	if a := w.engine.rechecked(); len(a) != 1 || a[0] != alice {
		t.Errorf("rechecked %v", a)
	}
	blocked := func(p *phone) bool {
		return get(w.store, func(s *store) bool { return s.device(p.device).PINBlocked })
	}
	if !blocked(p) || blocked(second) {
		t.Error("the wrong App is blocked")
	}
	p.getShare(p.verifier).is(t, 423, "blocked")
	p.call("POST", "/app/v2/passcode", obj{"verifier": enc(p.verifier), "new_verifier": enc(wrong)}).is(t, 423, "blocked")
	if r := p.call("POST", "/app/v2/heartbeat", obj{}); r.member("blocked") != true {
		t.Errorf("%s", r.body)
	}
	second.getShare(second.verifier).is(t, 200, "")
}

// The third wrong passcode does not end a request of another App, and a request of
// another App takes no try.
func TestBlockEndsOwnRequestsOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, other := w.enrol(alice), w.enrol(bob)
	w.ask(other, "h1")
	p.unlock(make([]byte, 32), "h1").is(t, 404, "unknown")
	for range 2 {
		p.getShare(make([]byte, 32)).is(t, 403, "passcode")
	}
	p.getShare(make([]byte, 32)).is(t, 423, "blocked")
	if a := w.engine.answered(); len(a) != 0 {
		t.Errorf("%+v", a)
	}
}

// Concurrent calls get no additional tries.
func TestUnlockAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.enrol(alice)
	var wg sync.WaitGroup
	out := make([]reply, 20)
	for i := range out {
		wg.Go(func() { out[i] = p.getShare(bytes.Repeat([]byte{byte(i)}, 32)) })
	}
	wg.Wait()
	wrong := 0
	for _, r := range out {
		if r.status == 403 {
			wrong++
		}
	}
	if wrong != 2 {
		t.Errorf("%d guesses before the one that blocked", wrong)
	}
	p.getShare(p.verifier).is(t, 423, "blocked")
}

func TestPasscode(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.enrol(alice)
	fresh := bytes.Repeat([]byte{7}, 32)
	p.call("POST", "/app/v2/passcode", obj{"verifier": enc(p.verifier), "new_verifier": "AAAA"}).is(t, 400, "malformed")
	p.call("POST", "/app/v2/passcode", obj{"verifier": enc(p.verifier), "new_verifier": enc(fresh)}).is(t, 204, "")
	p.getShare(p.verifier).is(t, 403, "passcode")
	p.getShare(fresh).is(t, 200, "")
}

// authenticator is a passkey in a browser.
type authenticator struct {
	key    *ecdsa.PrivateKey
	id     []byte
	count  uint32
	origin string
	rp     string
	flags  byte
	kind   string
}

func (p *phone) authenticator() *authenticator {
	return &authenticator{key: testkit.ECKey(p.w.t), id: []byte("credential 1"), origin: p.w.origin(), rp: "127.0.0.1", flags: 5, kind: "webauthn.get"}
}

// assert does what navigator.credentials.get does.
func (a *authenticator) assert(t testing.TB, challenge []byte) obj {
	t.Helper()
	client, err := json.Marshal(obj{"type": a.kind, "challenge": enc(challenge), "origin": a.origin, "crossOrigin": false})
	if err != nil {
		t.Fatal(err)
	}
	rp := sha256.Sum256([]byte(a.rp))
	data := binary.BigEndian.AppendUint32(append(rp[:], a.flags), a.count)
	sum := sha256.Sum256(client)
	digest := sha256.Sum256(append(bytes.Clone(data), sum[:]...))
	sig, err := ecdsa.SignASN1(rand.Reader, a.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return obj{"id": enc(a.id), "authenticator_data": enc(data), "client_data": enc(client), "signature": enc(sig)}
}

func TestPasskey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.enrol(alice)
	good := p.authenticator()
	r := w.ask(p, "h1")
	challenge := sha256.Sum256(r.SignedAttrs)
	use := func(a *authenticator, challenge []byte, id string) reply {
		return p.call("POST", "/app/v2/unlock", obj{"assertion": a.assert(t, challenge), "id": id})
	}
	register := func(id string, verifier []byte) reply {
		return p.call("POST", "/app/v2/passkey", obj{"id": enc([]byte(id)), "public_key": enc(spki(t, good.key)), "verifier": enc(verifier)})
	}
	use(good, challenge[:], "h1").is(t, 403, "passkey") // not registered
	register("credential 1", make([]byte, 32)).is(t, 403, "passcode")
	register("", p.verifier).is(t, 400, "malformed")
	p.call("POST", "/app/v2/passkey", obj{"id": "AAAA", "public_key": "AAAA", "verifier": enc(p.verifier)}).is(t, 400, "malformed")
	register("credential 1", p.verifier).is(t, 204, "")
	register("credential 1", p.verifier).is(t, 204, "")
	for i := 1; i < maxPasskeys; i++ {
		register(fmt.Sprint("more ", i), p.verifier).is(t, 204, "")
	}
	register("one too many", p.verifier).is(t, 400, "malformed")

	got := use(good, challenge[:], "h1")
	got.is(t, 200, "")
	if got.member("share") != p.share {
		t.Errorf("%s", got.body)
	}
	other := sha256.Sum256([]byte("attrs of another"))
	for name, c := range map[string]struct {
		edit      func(*authenticator)
		challenge []byte
	}{
		"another challenge":  {func(*authenticator) {}, other[:]},
		"another site":       {func(a *authenticator) { a.rp = "evil.example" }, challenge[:]},
		"another origin":     {func(a *authenticator) { a.origin = "http://evil.example" }, challenge[:]},
		"no user":            {func(a *authenticator) { a.flags = 4 }, challenge[:]},
		"user not verified":  {func(a *authenticator) { a.flags = 1 }, challenge[:]},
		"a registration":     {func(a *authenticator) { a.kind = "webauthn.create" }, challenge[:]},
		"another key":        {func(a *authenticator) { a.key = testkit.ECKey(t) }, challenge[:]},
		"another credential": {func(a *authenticator) { a.id = []byte("none") }, challenge[:]},
	} {
		t.Run(name, func(t *testing.T) {
			a := *good
			c.edit(&a)
			use(&a, c.challenge, "h1").is(t, 403, "passkey")
			if left := get(w.store, func(s *store) int { return s.apps[p.device].TriesLeft }); left != mssp.MaxPasscodeTries {
				t.Errorf("%d tries left", left)
			}
		})
	}
	use(good, challenge[:], "none").is(t, 404, "unknown")

	good.count = 10 // it counts from now on
	use(good, challenge[:], "h1").is(t, 200, "")
	use(good, challenge[:], "h1").is(t, 403, "passkey")
	good.count = 0 // it is synchronised from now on: no counter
	use(good, challenge[:], "h1").is(t, 200, "")
	good.count = 9
	use(good, challenge[:], "h1").is(t, 403, "passkey")
	good.count = 11
	use(good, challenge[:], "h1").is(t, 200, "")
	if s := w.log.String(); !strings.Contains(s, "did not advance") {
		t.Error("the log does not say why")
	}
	for range 3 {
		p.getShare(make([]byte, 32))
	}
	good.count = 12
	use(good, challenge[:], "h1").is(t, 423, "blocked")
	// What waited for the App has ended.
	if a := w.engine.rechecked(); len(a) != 1 || a[0] != alice {
		t.Errorf("rechecked %v", a)
	}
}

func FuzzWebAuthn(f *testing.F) {
	key := testkit.ECKey(f)
	a := &authenticator{key: key, id: []byte("x"), origin: "https://signum.example", rp: "signum.example", flags: 5, kind: "webauthn.get"}
	challenge := sha256.Sum256([]byte("attrs"))
	good := a.assert(f, challenge[:])
	bytesOf := func(name string) []byte {
		b, err := unb64u(good[name].(string))
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	f.Add(bytesOf("authenticator_data"), bytesOf("client_data"), bytesOf("signature"))
	k := &mssp.Passkey{PublicKey: spki(f, key)}
	at := site{origin: "https://signum.example", host: "signum.example"}
	f.Fuzz(func(t *testing.T, auth, client, sig []byte) {
		_, err := (&assertion{AuthenticatorData: auth, ClientData: client, Signature: sig}).verify(k, at, []byte("attrs"))
		same := bytes.Equal(auth, bytesOf("authenticator_data")) && bytes.Equal(client, bytesOf("client_data"))
		if err == nil && !same {
			t.Fatalf("forged: %x %s %x", auth, client, sig)
		}
	})
}

func TestSites(t *testing.T) {
	t.Parallel()
	for web, want := range map[string]site{
		"https://mid.example/phone":      {"https://mid.example", "mid.example"},
		"https://MID.example:443":        {"https://mid.example", "mid.example"},
		"http://localhost:8080/":         {"http://localhost:8080", "localhost"},
		"https://[::1]:8443/phone?x=1#y": {"https://[::1]:8443", "::1"},
		"ftp://mid.example":              {}, "mid.example": {}, "": {}, "https://": {}, "%": {},
	} {
		got, err := parseSite(web)
		if got != want || (err == nil) != (want != site{}) {
			t.Errorf("%s: %+v, %v", web, got, err)
		}
	}
}
