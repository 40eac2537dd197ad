package app

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/testkit"
)

func TestProofClaims(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.enrol(alice)
	other := w.enrol(bob)
	set := func(head bool, name string, value any) func(h, b map[string]any) {
		return func(h, b map[string]any) {
			m := b
			if head {
				m = h
			}
			if m[name] = value; value == nil {
				delete(m, name)
			}
		}
	}
	now := w.clock.Now().Unix()
	for name, c := range map[string]struct {
		claims func(h, b map[string]any)
		status int
		code   string
	}{
		"alg none":        {set(true, "alg", "none"), 400, "malformed"},
		"alg HS256":       {set(true, "alg", "HS256"), 400, "malformed"},
		"alg ES384":       {set(true, "alg", "ES384"), 400, "malformed"},
		"no typ":          {set(true, "typ", nil), 400, "malformed"},
		"typ JWT":         {set(true, "typ", "JWT"), 400, "malformed"},
		"no kid":          {set(true, "kid", nil), 400, "malformed"},
		"crit":            {set(true, "crit", []string{"x"}), 401, "unauthorised"},
		"long kid":        {set(true, "kid", strings.Repeat("x", 65)), 400, "malformed"},
		"unknown device":  {set(true, "kid", "app-NONE"), 401, "unauthorised"},
		"another device":  {set(true, "kid", other.device), 401, "unauthorised"},
		"aud":             {set(false, "aud", "another"), 401, "unauthorised"},
		"no aud":          {set(false, "aud", nil), 401, "unauthorised"},
		"htm":             {set(false, "htm", "POST"), 401, "unauthorised"},
		"htu":             {set(false, "htu", "/app/v2/answer"), 401, "unauthorised"},
		"htu with host":   {set(false, "htu", w.url()+"/app/v2/requests"), 401, "unauthorised"},
		"htu with query":  {set(false, "htu", "/app/v2/requests?x"), 401, "unauthorised"},
		"bh":              {set(false, "bh", enc(make([]byte, 32))), 401, "unauthorised"},
		"no bh":           {set(false, "bh", nil), 401, "unauthorised"},
		"iat text":        {set(false, "iat", "now"), 400, "malformed"},
		"no iat":          {set(false, "iat", nil), 401, "stale"},
		"old":             {set(false, "iat", now-61), 401, "stale"},
		"dated ahead":     {set(false, "iat", now+1), 401, "stale"},
		"a bit ahead":     {set(false, "iat", float64(now)+.001), 401, "stale"},
		"far ahead":       {set(false, "iat", 1e300), 401, "stale"},
		"before time":     {set(false, "iat", -1), 401, "stale"},
		"no jti":          {set(false, "jti", nil), 400, "malformed"},
		"short jti":       {set(false, "jti", enc(make([]byte, 15))), 400, "malformed"},
		"long jti":        {set(false, "jti", enc(make([]byte, 65))), 400, "malformed"},
		"jti not b64u":    {set(false, "jti", strings.Repeat("=", 32)), 400, "malformed"},
		"unknown members": {set(false, "nbf", 17), 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p.claims = c.claims
			r := p.call("GET", "/app/v2/requests", nil)
			r.is(t, c.status, c.code)
			if c.code == "stale" && r.member("now") != float64(now) {
				t.Errorf("%s", r.body)
			}
		})
	}
	p.claims = nil
	// An unknown device gets the same answer as a wrong proof of a known one.
	p.claims = set(true, "kid", "app-NONE")
	none := p.call("GET", "/app/v2/requests", nil)
	p.claims = set(true, "kid", other.device)
	if wrong := p.call("GET", "/app/v2/requests", nil); !bytes.Equal(none.body, wrong.body) {
		t.Errorf("%s and %s", none.body, wrong.body)
	}
}

func TestProofOfAnotherCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.enrol(alice)
	body := []byte(`{"version":"1"}`)
	good := p.proof("POST", "/app/v2/heartbeat", body)
	w.do("POST", "/app/v2/heartbeat", good, []byte(`{"version":"2"}`)).is(t, 401, "unauthorised")
	w.do("POST", "/app/v2/heartbeat?x=1", good, body).is(t, 401, "unauthorised")
	w.do("POST", "/app/v2/passcode", good, body).is(t, 401, "unauthorised")
	w.do("POST", "/app/v2/heartbeat", good, body).is(t, 200, "")
	w.do("POST", "/app/v2/heartbeat", good, body).is(t, 401, "replay")
	w.clock.Advance(time.Minute)
	w.do("POST", "/app/v2/heartbeat", good, body).is(t, 401, "replay")
	w.clock.Advance(time.Second)
	w.do("POST", "/app/v2/heartbeat", good, body).is(t, 401, "stale")
	w.do("GET", "/app/v2/requests", "", nil).is(t, 400, "malformed")
	w.do("GET", "/app/v2/requests", "a.b.c", nil).is(t, 400, "malformed")
	w.do("GET", "/app/v2/requests", strings.Repeat("a", proofMax+1), nil).is(t, 400, "malformed")
	cut := p.proof("GET", "/app/v2/requests", nil)
	w.do("GET", "/app/v2/requests", cut[:len(cut)-4]+"AAAA", nil).is(t, 401, "unauthorised")
	twice, err := http.NewRequest("GET", w.url()+"/app/v2/requests", nil)
	if err != nil {
		t.Fatal(err)
	}
	twice.Header.Add("Signum-Proof", p.proof("GET", "/app/v2/requests", nil))
	twice.Header.Add("Signum-Proof", p.proof("GET", "/app/v2/requests", nil))
	resp, err := http.DefaultTransport.RoundTrip(twice)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body.Close(); resp.StatusCode != 400 {
		t.Errorf("two proofs: %d", resp.StatusCode)
	}
	// A key in the header of the proof is ignored.
	evil := newPhone(w)
	evil.device = p.device
	evil.claims = func(h, _ map[string]any) {
		h["jwk"] = map[string]string{
			"kty": "EC", "crv": "P-256", "x": enc(bigBytes(evil.auth.X)), "y": enc(bigBytes(evil.auth.Y)),
		}
	}
	evil.call("GET", "/app/v2/requests", nil).is(t, 401, "unauthorised")
}

// A proof that was accepted before a restart is refused after it.
func TestProofAfterRestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.enrol(alice)
	proof := p.proof("GET", "/app/v2/requests", nil)
	w.do("GET", "/app/v2/requests", proof, nil).is(t, 200, "")
	w.stop()
	w.clock.Advance(time.Second)
	w.boot()
	w.do("GET", "/app/v2/requests", proof, nil).is(t, 401, "stale")
	p.call("GET", "/app/v2/requests", nil).is(t, 200, "")
}

// A phone with a wrong clock learns the service's time.
func TestWrongClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.enrol(alice)
	p.skew = -3600
	r := p.call("GET", "/app/v2/requests", nil)
	r.is(t, 401, "stale")
	p.skew += int64(r.member("now").(float64)) - (w.clock.Now().Unix() + p.skew)
	p.call("GET", "/app/v2/requests", nil).is(t, 200, "")
}

func TestStoreFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.enrol(alice)
	w.store.setFail(http.ErrServerClosed)
	r := p.call("GET", "/app/v2/requests", nil)
	r.is(t, 500, "internal")
	if incident, _ := r.member("incident").(string); incident == "" || !strings.Contains(w.log.String(), incident) {
		t.Errorf("incident %q is not in the log", incident)
	}
}

// TestProofAge: a proof is good for a minute after it was made.
func TestProofAge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.enrol(alice)
	w.clock.Advance(1500 * time.Millisecond)
	first, second := p.proof("GET", "/app/v2/requests", nil), p.proof("GET", "/app/v2/requests", nil)
	w.clock.Advance(time.Minute)
	w.do("GET", "/app/v2/requests", first, nil).is(t, 200, "")
	w.clock.Advance(time.Millisecond)
	w.do("GET", "/app/v2/requests", second, nil).is(t, 401, "stale")
}

func TestMemory(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	m := newMemory(time.Minute, 3)
	key := func(n byte) (k [16]byte) { k[0] = n; return k }
	for _, c := range []struct {
		after            time.Duration
		key              byte
		made             time.Duration
		added, forgotten bool
	}{
		{0, 1, 0, true, false}, {0, 1, 0, false, false}, {59 * time.Second, 1, 0, false, false}, {59 * time.Second, 2, 0, true, false},
		{61 * time.Second, 2, 0, false, false}, {61 * time.Second, 3, 0, true, false}, {110 * time.Second, 4, 0, true, false},
		{111 * time.Second, 5, 0, true, false},
		// The fourth of a generation drops the keys of the first minute, 1 and 2.
		{112 * time.Second, 6, 112 * time.Second, true, false},
		{113 * time.Second, 2, 61 * time.Second, false, true}, {113 * time.Second, 5, 0, false, false},
		{113 * time.Second, 7, 61*time.Second + time.Millisecond, true, false},
		{10 * time.Minute, 6, 10 * time.Minute, true, false},
	} {
		if added, forgotten := m.add(key(c.key), now.Add(c.made), now.Add(c.after)); added != c.added || forgotten != c.forgotten {
			t.Errorf("%+v: %v, %v", c, added, forgotten)
		}
	}
	if m.has(key(1), now.Add(10*time.Minute)) || !m.has(key(6), now.Add(10*time.Minute)) {
		t.Error("the wrong key is remembered")
	}
}

func FuzzProof(f *testing.F) {
	w := newWorld(f)
	p := w.enrol(alice)
	f.Add(p.proof("GET", "/", nil))
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJFUzI1NiIsInR5cCI6InNpZ251bS1wcm9vZitqd3QiLCJraWQiOiJ4In0.e30.AA")
	stranger := &testkit.ECKey(f).PublicKey
	f.Fuzz(func(t *testing.T, compact string) {
		got, err := parseCallProof(compact)
		if err != nil {
			return
		}
		if got.kid == "" || len(got.Jti) < 16 {
			t.Fatalf("%+v", got)
		}
		if got.matches(stranger, proofTarget{aud: got.Aud, method: got.Htm, uri: got.Htu}) {
			t.Fatal("verified with a key that signs nothing")
		}
	})
}

func FuzzCode(f *testing.F) {
	f.Add("K7QZ-4MX9-2T")
	f.Fuzz(func(t *testing.T, s string) {
		h, ok := hashCode(s, activationLen)
		if again, same := hashCode(strings.ToLower(" "+s), activationLen); ok && len(s) < 4*activationLen && (!same || !bytes.Equal(h, again)) {
			t.Fatalf("%q", s)
		}
	})
}

func FuzzKey(f *testing.F) {
	good := spki(f, testkit.ECKey(f))
	f.Add(good)
	f.Add(good[:90])
	f.Add(append(good[:91:91], 0))
	f.Add(append(good[:26:26], make([]byte, 65)...)) // infinity
	f.Fuzz(func(t *testing.T, der []byte) {
		// The same keys as by crypto/x509, in the encoding that it makes.
		want, failed := x509.ParsePKIXPublicKey(der)
		ec, isEC := want.(*ecdsa.PublicKey)
		canonical := false
		if failed == nil && isEC && ec.Curve == elliptic.P256() {
			again, err := x509.MarshalPKIXPublicKey(ec)
			canonical = err == nil && bytes.Equal(again, der)
		}
		if k, err := parseKey(der); (err == nil) != canonical || canonical && !k.Equal(want) {
			t.Fatalf("%x: %v, want a key: %t", der, err, canonical)
		}
	})
}

func FuzzSignature(f *testing.F) {
	k := testkit.ECKey(f)
	f.Add(rawSign(f, k, []byte("x")))
	f.Fuzz(func(t *testing.T, b []byte) {
		der, err := derSignature(b)
		if (err == nil) && (len(b) != 64 || len(der) < 8 || len(der) > 72) {
			t.Fatalf("%x: %x", b, der)
		}
		if verifyRaw(&k.PublicKey, b, b) {
			t.Fatal("verified")
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"id":"h","op":"sign","cancel":true}`))
	f.Add([]byte(`{"id":"h","op":"sign","cancel":true,"report":true}`))
	f.Add([]byte(`{"id":"h","op":"sign","signature":"` + enc(bytes.Repeat([]byte{1}, 64)) + `","location":{"country":"CH","measured":1}}`))
	f.Add([]byte(`{"id":"h","op":"display","receipt":"OK"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var in answerRequest
		c := &call{body: b}
		if c.decode(&in) != nil {
			return
		}
		a, err := in.answer()
		if err == nil && (a.Fault == nil && a.Signature == nil && a.Receipt == "") {
			t.Fatalf("%s: %+v", b, a)
		}
		if err == nil && a.Reported && (a.Op != mssp.OpSign || a.Fault == nil || a.Fault.Code != signum.UserCancel || a.Signature != nil) {
			t.Fatalf("%s: reported with %+v", b, a)
		}
	})
}

func TestRandomCodes(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for range 1000 {
		code := newCode(activationLen, activationGroup)
		if _, ok := hashCode(code, activationLen); !ok || seen[code] {
			t.Fatal(code)
		}
		seen[code] = true
	}
	if b, _ := json.Marshal(octets{1, 2, 3}); string(b) != `"AQID"` {
		t.Errorf("%s", b)
	}
}
