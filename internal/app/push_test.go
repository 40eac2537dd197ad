package app

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/signum-mssp/signum/internal/mssp"
)

// pushService is the push service of a browser, with one subscription.
type pushService struct {
	t      *testing.T
	http   *httptest.Server
	key    *ecdh.PrivateKey
	auth   []byte
	vapid  string // the key of the service that may push
	status atomic.Int64
	after  atomic.Value // Retry-After of the answer
	body   atomic.Value // of the answer
	woken  chan string
}

func newPushService(t *testing.T, vapid string) *pushService {
	k, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := &pushService{t: t, key: k, auth: []byte("sixteen bytes ok"), vapid: vapid, woken: make(chan string, 100)}
	s.status.Store(http.StatusCreated)
	s.http = httptest.NewServer(s)
	t.Cleanup(s.http.Close)
	return s
}

func (s *pushService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = s.authorised(r.Header.Get("Authorization"))
	}
	var plain []byte
	if err == nil {
		plain, err = s.decrypt(body)
	}
	if err != nil {
		s.t.Error(err)
	}
	if r.Header.Get("TTL") == "" || r.Header.Get("Content-Encoding") != "aes128gcm" {
		s.t.Errorf("%v", r.Header)
	}
	if after, _ := s.after.Load().(string); after != "" {
		w.Header().Set("Retry-After", after)
	}
	w.WriteHeader(int(s.status.Load()))
	if body, _ := s.body.Load().(string); body != "" {
		_, _ = io.WriteString(w, body)
	}
	s.woken <- string(plain)
}

// authorised checks VAPID (RFC 8292) with another library than the one that signs, as
// the push services of browsers do: the token is for this service, expires within
// 24 hours, and names a contact that can exist.
func (s *pushService) authorised(header string) error {
	token, ok := strings.CutPrefix(header, "vapid t=")
	token, key, ok2 := strings.Cut(token, ", k=")
	if !ok || !ok2 || key != s.vapid {
		return fmt.Errorf("authorization %s", header)
	}
	point, err := base64.RawURLEncoding.DecodeString(key)
	if err != nil {
		return err
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return err
	}
	signed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return err
	}
	var c jwt.Claims
	if err := signed.Claims(pub, &c); err != nil {
		return err
	}
	now := time.Now()
	if err := c.Validate(jwt.Expected{AnyAudience: jwt.Audience{s.http.URL}, Time: now}); err != nil {
		return err
	}
	if c.Expiry == nil || c.Expiry.Time().After(now.Add(24*time.Hour)) {
		return fmt.Errorf("the token expires at %v", c.Expiry)
	}
	if !regexp.MustCompile(`^(mailto:[^:@]+@|https://)[a-z0-9.-]+\.[a-z]+(/.*)?$`).MatchString(c.Subject) {
		return fmt.Errorf("subject %q", c.Subject)
	}
	return nil
}

// decrypt is RFC 8291 and RFC 8188.
func (s *pushService) decrypt(b []byte) ([]byte, error) {
	if len(b) < 21+65 || b[20] != 65 || len(b) > 4096 {
		return nil, fmt.Errorf("a record of %d bytes", len(b))
	}
	salt, rs, sender, sealed := b[:16], binary.BigEndian.Uint32(b[16:]), b[21:86], b[86:]
	if int(rs) < len(sealed) {
		return nil, fmt.Errorf("record size %d", rs)
	}
	pub, err := ecdh.P256().NewPublicKey(sender)
	if err != nil {
		return nil, err
	}
	secret, err := s.key.ECDH(pub)
	if err != nil {
		return nil, err
	}
	derive := func(secret, salt []byte, info string, n int) []byte {
		out, e := hkdf.Key(sha256.New, secret, salt, info, n)
		if e != nil {
			err = e
		}
		return out
	}
	ikm := derive(secret, s.auth, "WebPush: info\x00"+string(s.key.PublicKey().Bytes())+string(sender), 32)
	key := derive(ikm, salt, "Content-Encoding: aes128gcm\x00", 16)
	nonce := derive(ikm, salt, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	plain, err := gcm.Open(nil, nonce, sealed, nil)
	if err != nil {
		return nil, err
	}
	text, _, ok := strings.Cut(string(plain), "\x02")
	if !ok {
		return nil, fmt.Errorf("no end of the record")
	}
	return []byte(text), nil
}

func (s *pushService) subscription(path string) obj {
	return obj{"endpoint": s.http.URL + path, "p256dh": enc(s.key.PublicKey().Bytes()), "auth": enc(s.auth)}
}

func (s *pushService) next() {
	s.t.Helper()
	select {
	case m := <-s.woken:
		if m != `{"type":"wake"}` {
			s.t.Errorf("the push says %s", m)
		}
	case <-time.After(patience):
		s.t.Fatal("no push")
	}
}

// pushWorld is a world that allows push services on loopback.
func pushWorld(t *testing.T) (*world, *pushService) {
	w := newWorld(t, func(c *Config) {
		c.AllowPush = func(*url.URL) error { return nil }
		c.PushClient = &http.Client{Transport: &http.Transport{}}
		v, err := NewVAPID("mailto:ops@signum.example")
		if err != nil {
			t.Fatal(err)
		}
		c.VAPID = v
	})
	r := w.do("GET", "/app/v2/push-key", "", nil)
	return w, newPushService(t, r.member("key").(string))
}

func TestWake(t *testing.T) {
	t.Parallel()
	w, s := pushWorld(t)
	p := w.enrol(alice)
	p.heartbeat(obj{"push": s.subscription("/1")}).is(t, 200, "")
	w.ask(p, "h1", func(r *mssp.DeviceRequest) { r.Text = "secret text" })
	s.next()
	p.heartbeat(obj{"version": "3"}).is(t, 200, "") // push is absent, so that it stays

	// An App with an inbox is woken only if it does not show a request.
	in := p.connect()
	in.welcome()
	w.ask(p, "h2", display)
	in.expect("request")
	in.say(obj{"type": "shown", "id": "h2", "op": "display"})
	in.say(obj{"type": "ping"})
	in.expect("pong")
	w.clock.Advance(shownWithin)
	w.server.sweep(w.clock.Now())
	if len(s.woken) != 0 {
		t.Error("woken although it showed the request")
	}
	w.ask(p, "h3", display)
	in.expect("request")
	w.clock.Advance(shownWithin)
	for range 2 { // the second sweep must not wake it again
		w.server.sweep(w.clock.Now())
	}
	s.next()
	// A request for App2App wakes no App.
	_ = in.ws.CloseNow()
	eventually(t, "the inbox is closed", func() bool { return w.server.Connected() == 0 })
	w.ask(p, "h4", func(r *mssp.DeviceRequest) { r.App2App = &mssp.App2App{TokenHash: "x"} })
	w.clock.Advance(shownWithin)
	w.server.sweep(w.clock.Now())

	p.heartbeat(obj{"push": nil}).is(t, 200, "")
	w.ask(p, "h5")
	if a := get(w.store, func(s *store) *mssp.AppDevice { return s.apps[p.device] }); a.Push != nil {
		t.Error("the subscription stays")
	}
	w.server.Close()
	if len(s.woken) != 0 {
		t.Error("woken once more")
	}
}

// endedOf is what a heartbeat says of a subscription that ended.
func endedOf(r reply) any {
	ended, _ := r.member("push_ended").(map[string]any)
	return ended["reason"]
}

// What a push service answers decides what becomes of the subscription and of the
// message.
func TestPushOutcomes(t *testing.T) {
	t.Parallel()
	for status, tc := range map[int]struct {
		outcome, ended string
		again          bool
	}{
		201: {"sent", "", false},
		200: {"sent", "", false},
		400: {"other", "", false},
		401: {"other", "", false},
		403: {"refused", "refused", false},
		404: {"gone", "gone", false},
		410: {"gone", "gone", false},
		413: {"other", "", false},
		429: {"busy", "", true},
		500: {"unavailable", "", true},
		503: {"unavailable", "", true},
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			w, s := pushWorld(t)
			p := w.enrol(alice)
			p.heartbeat(obj{"push": s.subscription("/1")}).is(t, 200, "")
			s.status.Store(int64(status))
			w.ask(p, "h1")
			s.next()
			eventually(t, "the outcome is counted", func() bool { return w.server.Pushes()[tc.outcome] == 1 })
			if tc.ended != "" {
				eventually(t, "the subscription is deleted", func() bool {
					return get(w.store, func(s *store) bool { return s.apps[p.device].Push == nil })
				})
			}
			r := p.heartbeat(obj{})
			r.is(t, 200, "")
			if got := endedOf(r); got != nil != (tc.ended != "") || got != nil && got != tc.ended {
				t.Errorf("the App is told %s", r.body)
			}
			// The same subscription does not come back, and another one does.
			if tc.ended != "" {
				p.heartbeat(obj{"push": s.subscription("/1")}).is(t, 200, "")
				if endedOf(p.heartbeat(obj{})) != tc.ended {
					t.Error("the subscription that ended came back")
				}
				if r := p.heartbeat(obj{"push": s.subscription("/2")}); endedOf(r) != nil {
					t.Errorf("after a new one: %s", r.body)
				}
			}
			if a := get(w.store, func(s *store) *mssp.AppDevice { return s.apps[p.device] }); a.Push == nil || a.PushEnd != nil {
				t.Errorf("in the end %+v, %+v", a.Push, a.PushEnd)
			}
			s.status.Store(201)
			w.clock.Advance(pushPause)
			w.server.sweep(w.clock.Now())
			if tc.again {
				s.next()
				eventually(t, "the repetition is counted", func() bool { return w.server.Pushes()["sent"] == 1 })
			}
			w.server.Close()
			if len(s.woken) != 0 {
				t.Error("sent again")
			}
		})
	}
}

// A message is repeated after pauses that double, not before Retry-After, and not for
// more than a minute. A new message during a pause joins the one that waits.
func TestPushRepeats(t *testing.T) {
	t.Parallel()
	w, s := pushWorld(t)
	p := w.enrol(alice)
	p.heartbeat(obj{"push": s.subscription("/1")}).is(t, 200, "")
	s.status.Store(503)
	failures := uint64(0)
	fails := func() {
		t.Helper()
		s.next()
		failures++
		eventually(t, "the failure is counted", func() bool { return w.server.Pushes()["unavailable"] == failures })
	}
	wait := func(d time.Duration) {
		w.clock.Advance(d)
		w.server.sweep(w.clock.Now())
	}
	quiet := func() {
		t.Helper()
		w.server.push.mu.Lock()
		defer w.server.push.mu.Unlock()
		if len(w.server.push.waiting)+len(s.woken) != 0 {
			t.Error("sent too early")
		}
	}
	w.ask(p, "h1")
	fails()
	for pause := pushPause; pause < pushGiven/2; pause *= 2 { // 2, 4, 8, 16: 30 s
		wait(pause - 1)
		quiet()
		wait(1)
		fails()
	}
	wait(pushGiven) // the next pause would end after a minute
	quiet()

	s.after.Store("20")
	w.ask(p, "h2")
	fails()
	wait(19 * time.Second)
	quiet()
	w.ask(p, "h3") // joins
	quiet()
	s.after.Store("")
	s.status.Store(201)
	wait(time.Second)
	s.next()
	eventually(t, "it is sent", func() bool { return w.server.Pushes()["sent"] == 1 })

	// A push service that wants too much patience is not asked again.
	s.status.Store(429)
	s.after.Store(w.clock.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
	w.ask(p, "h4")
	s.next()
	eventually(t, "the failure is counted", func() bool { return w.server.Pushes()["busy"] == 1 })
	wait(2 * time.Hour)
	quiet()
}

// The log has the reason of the push service if it is a word, and never the endpoint.
func TestPushLog(t *testing.T) {
	t.Parallel()
	w, s := pushWorld(t)
	p := w.enrol(alice)
	p.heartbeat(obj{"push": s.subscription("/secret-path")}).is(t, 200, "")
	for i, tc := range []struct{ body, want string }{
		{`{"reason":"BadJwtToken"}`, `answered 400 BadJwtToken"`},
		{`{"reason":"see /secret-path"}`, `answered 400"`},
		{`/secret-path`, `answered 400"`},
	} {
		s.status.Store(400)
		s.body.Store(tc.body)
		w.ask(p, fmt.Sprint("h", i))
		s.next()
		eventually(t, "the failure is logged", func() bool { return strings.Count(w.log.String(), "App not woken") == i+1 })
		if lines := strings.Split(strings.TrimSpace(w.log.String()), "\n"); !strings.Contains(strings.Join(lines[max(0, len(lines)-3):], "\n"), tc.want) {
			t.Errorf("%s: no %s in %s", tc.body, tc.want, lines)
		}
	}
	s.http.Close()
	w.ask(p, "h9")
	eventually(t, "the failure is logged", func() bool { return w.server.Pushes()["unreachable"] == 1 })
	w.server.Close()
	if strings.Contains(w.log.String(), "secret-path") {
		t.Error("the endpoint is in the log")
	}
}

// The token names the contact once, in each form in which it may be configured. Without
// a contact, no App is woken, and there is no key to subscribe with.
func TestVAPIDContact(t *testing.T) {
	t.Parallel()
	for contact, want := range map[string]string{
		"mailto:ops@signum.example": "mailto:ops@signum.example", "https://signum.example": "https://signum.example",
	} {
		v, err := NewVAPID(contact)
		if err != nil || v.check() != nil {
			t.Fatal(err, v.check())
		}
		if got := v.subscriber(); got != strings.TrimPrefix(want, "mailto:") {
			t.Errorf("%s becomes %s", contact, got)
		}
	}
	for _, bad := range []string{"ops@signum.example", "http://signum.example", "x"} {
		if v, err := NewVAPID(bad); err != nil || v.check() == nil {
			t.Errorf("%s is taken: %v", bad, err)
		}
	}
	w := newWorld(t, func(c *Config) { c.VAPID.Contact = "" })
	w.do("GET", "/app/v2/push-key", "", nil).is(t, 404, "unknown")
	p := w.enrol(alice)
	_, s := pushWorld(t)
	w.server.push.s.cfg.AllowPush = func(*url.URL) error { return nil }
	p.heartbeat(obj{"push": s.subscription("/1")}).is(t, 200, "")
	w.ask(p, "h1")
	w.server.Close()
	if len(s.woken) != 0 {
		t.Error("woken")
	}
}

func TestForgedEndpoints(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.enrol(alice)
	k, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, auth := enc(k.PublicKey().Bytes()), enc(make([]byte, 16))
	for _, endpoint := range []string{
		"http://push.example/1", "https://127.0.0.1/1", "https://[::1]/1", "https://10.0.0.1/", "https://192.168.1.1/", "https://169.254.169.254/latest",
		"https://[fd00::1]/", "https://[fe80::1]/", "https://[::ffff:127.0.0.1]/", "https://0.0.0.0/", "https://100.64.0.1/", "https://localhost/",
		"https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/", "https://224.0.0.1/", "https://user@push.example/", "https://push.example/#x",
		"ftp://push.example/", "file:///etc/passwd", "", "https://", "https://%", "https://push.example/" + strings.Repeat("x", maxEndpoint),
	} {
		if r := p.heartbeat(obj{"push": obj{"endpoint": endpoint, "p256dh": point, "auth": auth}}); r.status != 400 {
			t.Errorf("%s: %d", endpoint, r.status)
		}
	}
	for _, push := range []any{
		1, "x", obj{"endpoint": "https://push.example/", "p256dh": point, "auth": "AAAA"},
		obj{"endpoint": "https://push.example/", "p256dh": enc(make([]byte, 65)), "auth": auth},
	} {
		p.heartbeat(obj{"push": push}).is(t, 400, "malformed")
	}
	p.heartbeat(obj{"push": obj{"endpoint": "https://push.example/1", "p256dh": point, "auth": auth}}).is(t, 200, "")
	// A name that resolves to a private address is not called either.
	home := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("connected") }))
	defer home.Close()
	if resp, err := publicClient().Get(home.URL); err == nil {
		resp.Body.Close()
	} else if !strings.Contains(err.Error(), errNotPublic.Error()) {
		t.Error(err)
	}
}
