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
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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
	w.WriteHeader(int(s.status.Load()))
	s.woken <- string(plain)
}

// authorised checks VAPID (RFC 8292).
func (s *pushService) authorised(header string) error {
	token, ok := strings.CutPrefix(header, "vapid t=")
	token, key, ok2 := strings.Cut(token, ", k=")
	parts := strings.Split(token, ".")
	if !ok || !ok2 || len(parts) != 3 || key != s.vapid {
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
	sig, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || len(sig) != 64 {
		return fmt.Errorf("signature %x", sig)
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if !ecdsa.Verify(pub, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		return fmt.Errorf("the signature does not verify")
	}
	var claims struct {
		Aud, Sub string
		Exp      int64
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(b, &claims)
	}
	if err != nil || claims.Aud != s.http.URL || claims.Sub != "mailto:ops@signum.example" || claims.Exp < time.Now().Unix() {
		return fmt.Errorf("claims %s: %w", b, err)
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
		v, err := NewVAPID("ops@signum.example")
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

// A subscription that has expired is deleted; one whose push service failed is
// not.
func TestWakeFails(t *testing.T) {
	t.Parallel()
	w, s := pushWorld(t)
	p := w.enrol(alice)
	has := func() bool {
		return get(w.store, func(s *store) bool { return s.apps[p.device].Push != nil })
	}
	p.heartbeat(obj{"push": s.subscription("/secret-path")}).is(t, 200, "")
	s.status.Store(http.StatusInternalServerError)
	w.ask(p, "h1")
	s.next()
	eventually(t, "the failure is logged", func() bool { return strings.Contains(w.log.String(), "answered 500") })
	if !has() {
		t.Error("deleted after a failure")
	}
	s.status.Store(http.StatusGone)
	w.ask(p, "h2")
	s.next()
	eventually(t, "the subscription is deleted", func() bool { return !has() })
	p.heartbeat(obj{"push": s.subscription("/secret-path")}).is(t, 200, "")
	s.http.Close()
	w.ask(p, "h3")
	eventually(t, "the failure is logged", func() bool { return strings.Count(w.log.String(), "App not woken") == 3 })
	if strings.Contains(w.log.String(), "secret-path") {
		t.Error("the endpoint is in the log")
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
