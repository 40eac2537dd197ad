package softapp_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/go-jose/go-jose/v4"

	"github.com/signum-mssp/signum/internal/testkit"
)

var b64u = base64.RawURLEncoding

type object = map[string]any

// fakeService is a service written after docs/app-protocol.md, independently of
// internal/app. If an App violates the protocol, the test fails.
type fakeService struct {
	t     testing.TB
	ahead time.Duration // the service's time minus the phones'
	wire  *pipes

	mu       sync.Mutex
	codes    map[string]string // MSISDN by activation code
	begun    map[string]*fakeApp
	apps     map[string]*fakeApp
	used     map[string]bool // jti
	calls    []fakeCall
	fail     map[string]int // so many calls of a path are answered with 500; if negative, their answers are lost
	slow     string         // Retry-After of failing calls, which are then answered with slow
	upgraded bool           // the service speaks a newer version of the protocol
	mute     bool           // do not answer pings
	spoil    func(object)   // changes answers
	unwanted string         // the code with which answers to requests are refused
	badHello []fakeClose    // how to close the next connections
	conns    []*websocket.Conn
	serial   int64
}

type fakeClose struct {
	code   int
	reason string
}

type fakeCall struct {
	at     time.Time
	path   string
	device string
	body   object
}

type fakeApp struct {
	id, msisdn       string
	challenge, share []byte
	auth, sign       *ecdsa.PublicKey
	verifier         []byte
	tries            int
	unlocked         string // the request
	pending          []object
	byToken          map[string]object
	conn             *websocket.Conn
	heard            []object // frames
	dials            []time.Time
	enrolBody        string
	enrolAnswer      object
}

// pipes is a network inside a bubble of synctest.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	a, b := net.Pipe()
	select {
	case p.conns <- b:
		return a, nil
	case <-p.done:
		return nil, errors.New("the network is down")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func newFakeService(t testing.TB) *fakeService {
	s := &fakeService{
		t: t, wire: &pipes{make(chan net.Conn), make(chan struct{})}, codes: make(map[string]string), begun: make(map[string]*fakeApp),
		apps: make(map[string]*fakeApp), used: make(map[string]bool), fail: make(map[string]int),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /app/v2/enrol/begin", s.open(s.begin))
	mux.HandleFunc("POST /app/v2/enrol", s.open(s.enrol))
	mux.HandleFunc("POST /app/v2/unlock", s.proved(s.unlock))
	mux.HandleFunc("POST /app/v2/answer", s.proved(s.answer))
	mux.HandleFunc("POST /app/v2/open", s.proved(s.openToken))
	mux.HandleFunc("POST /app/v2/heartbeat", s.proved(s.heartbeat))
	mux.HandleFunc("DELETE /app/v2/device", s.proved(s.remove))
	mux.HandleFunc("GET /app/v2/inbox", s.inbox)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		old := s.upgraded
		s.mu.Unlock()
		if old {
			s.write(w, nil, &refusal{http.StatusGone, "upgrade", nil})
			return
		}
		mux.ServeHTTP(w, r)
	})}
	go func() { _ = srv.Serve(s.wire) }()
	t.Cleanup(func() {
		close(s.wire.done)
		_ = srv.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, c := range s.conns {
			_ = c.CloseNow()
		}
	})
	return s
}

func (s *fakeService) client() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: s.wire.dial, MaxIdleConnsPerHost: 100}}
}

func (s *fakeService) now() time.Time { return time.Now().Add(s.ahead) }

// refusal is an error of the protocol; more are further members.
type refusal struct {
	status int
	code   string
	more   object
}

func (s *fakeService) write(w http.ResponseWriter, out object, no *refusal) {
	if no == nil {
		if out == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		_ = json.NewEncoder(w).Encode(out)
		return
	}
	body := object{"error": no.code, "detail": "for people"}
	for k, v := range no.more {
		body[k] = v
	}
	w.WriteHeader(no.status)
	_ = json.NewEncoder(w).Encode(body)
}

// handle reads the body, records the call and answers it, or fails or loses the
// answer.
func (s *fakeService) handle(w http.ResponseWriter, r *http.Request, f func(raw []byte, body object) (object, *refusal)) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	body := object{}
	if len(raw) > 0 && json.Unmarshal(raw, &body) != nil {
		s.t.Errorf("%s: body %q", r.URL, raw)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name := r.URL.Path[len("/app/v2/"):]
	left := s.fail[name]
	if left > 0 {
		s.fail[name]--
		s.calls = append(s.calls, fakeCall{time.Now(), name, "", body})
		if s.slow != "" {
			w.Header().Set("Retry-After", s.slow)
			s.write(w, nil, &refusal{429, "slow", nil})
			return
		}
		s.write(w, nil, &refusal{500, "internal", object{"incident": "ABC"}})
		return
	}
	out, no := f(raw, body)
	s.calls = append(s.calls, fakeCall{time.Now(), name, r.Header.Get("Test-Device"), body})
	if s.spoil != nil {
		s.spoil(out)
	}
	if left < 0 {
		s.fail[name]++
		panic(http.ErrAbortHandler)
	}
	s.write(w, out, no)
}

func (s *fakeService) open(f func(raw []byte, body object) (object, *refusal)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Signum-Proof") != "" {
			s.t.Errorf("%s with a proof", r.URL)
		}
		s.handle(w, r, f)
	}
}

func (s *fakeService) proved(f func(a *fakeApp, body object) (object, *refusal)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.handle(w, r, func(raw []byte, body object) (object, *refusal) {
			a, no := s.prove(r.Header.Get("Signum-Proof"), r.Method, r.RequestURI, raw)
			if no != nil {
				return nil, no
			}
			r.Header.Set("Test-Device", a.id)
			return f(a, body)
		})
	}
}

// prove checks a proof, with a library that the Apps do not use.
func (s *fakeService) prove(proof, method, uri string, body []byte) (*fakeApp, *refusal) {
	no := &refusal{401, "unauthorised", nil}
	jws, err := jose.ParseSignedCompact(proof, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		s.t.Errorf("proof %q: %v", proof, err)
		return nil, &refusal{400, "malformed", nil}
	}
	head := jws.Signatures[0].Protected
	a := s.apps[head.KeyID]
	if a == nil {
		return nil, no
	}
	payload, err := jws.Verify(a.auth)
	if err != nil || head.ExtraHeaders["typ"] != "signum-proof+jwt" {
		s.t.Errorf("proof: %v, %+v", err, head)
		return nil, no
	}
	var c struct {
		Aud, Htm, Htu, Bh, Jti string
		Iat                    float64
	}
	if err := json.Unmarshal(payload, &c); err != nil {
		s.t.Error(err)
	}
	sum := sha256.Sum256(body)
	jti, err := b64u.DecodeString(c.Jti)
	if c.Aud != "fake" || c.Htm != method || c.Htu != uri || c.Bh != b64u.EncodeToString(sum[:]) || err != nil || len(jti) < 16 {
		s.t.Errorf("proof of %s %s: %s", method, uri, payload)
		return nil, no
	}
	if d := s.now().Sub(time.UnixMilli(int64(math.Round(c.Iat * 1000)))); d < 0 || d > time.Minute {
		return nil, &refusal{401, "stale", object{"now": float64(s.now().UnixMilli()) / 1000}}
	}
	if s.used[c.Jti] {
		s.t.Error("a proof was used twice")
		return nil, &refusal{401, "replay", nil}
	}
	s.used[c.Jti] = true
	return a, nil
}

func (s *fakeService) begin(_ []byte, body object) (object, *refusal) {
	code, _ := body["code"].(string)
	number, ok := s.codes[code]
	if !ok {
		return nil, &refusal{404, "code", nil}
	}
	a := &fakeApp{msisdn: number, challenge: make([]byte, 32), share: make([]byte, 32), tries: 3, byToken: make(map[string]object)}
	_, _ = rand.Read(a.challenge)
	_, _ = rand.Read(a.share)
	name := fmt.Sprint("e-", len(s.begun))
	s.begun[name] = a
	return object{"enrolment": name, "challenge": b64u.EncodeToString(a.challenge), "share": b64u.EncodeToString(a.share),
		"msisdn": "+41****67", "service": "fake", "recovery": "none", "more": 1}, nil
}

func (s *fakeService) octets(body object, member string) []byte {
	text, _ := body[member].(string)
	b, err := b64u.DecodeString(text)
	if err != nil || len(b) == 0 {
		s.t.Errorf("%s: %q: %v", member, text, err)
	}
	return b
}

func (s *fakeService) provedKey(a *fakeApp, body object, key, proof string) *ecdsa.PublicKey {
	public, err := x509.ParsePKIXPublicKey(s.octets(body, key))
	if err != nil {
		s.t.Fatal(err)
	}
	message := slices.Concat([]byte("signum enrolment\x00"), a.challenge, s.octets(body, "auth_key"), s.octets(body, "sign_key"))
	if !verifyRaw(public.(*ecdsa.PublicKey), message, s.octets(body, proof)) {
		s.t.Errorf("%s does not verify", proof)
	}
	return public.(*ecdsa.PublicKey)
}

func verifyRaw(key *ecdsa.PublicKey, message, signature []byte) bool {
	sum := sha256.Sum256(message)
	return len(signature) == 64 &&
		ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
}

func (s *fakeService) enrol(raw []byte, body object) (object, *refusal) {
	name, _ := body["enrolment"].(string)
	a := s.begun[name]
	if a == nil {
		return nil, &refusal{404, "code", nil}
	}
	if a.enrolAnswer != nil { // its answer was lost
		if a.enrolBody != string(raw) {
			s.t.Error("an enrolment was repeated with another body")
		}
		return a.enrolAnswer, nil
	}
	a.auth, a.sign = s.provedKey(a, body, "auth_key", "auth_proof"), s.provedKey(a, body, "sign_key", "sign_proof")
	a.verifier = s.octets(body, "verifier")
	for _, m := range []string{"name", "version", "platform"} {
		if text, _ := body[m].(string); text == "" {
			s.t.Errorf("no %s", m)
		}
	}
	s.serial++
	a.id = fmt.Sprintf("App-%d", s.serial)
	s.apps[a.id] = a
	der := s.certify(a.sign)
	a.enrolBody = string(raw)
	a.enrolAnswer = object{"device": a.id, "msisdn": a.msisdn, "serial": "MIDCHE1", "recovery_code": "R-1",
		"certificates": []string{der, der}}
	return a.enrolAnswer, nil
}

// certify makes a certificate that a client can parse.
func (s *fakeService) certify(key *ecdsa.PublicKey) string {
	ca := testkit.ECKey(s.t)
	template := &x509.Certificate{SerialNumber: big.NewInt(s.serial), Subject: pkix.Name{CommonName: "x"}, NotAfter: s.now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key, ca)
	if err != nil {
		s.t.Fatal(err)
	}
	return b64u.EncodeToString(der)
}

func (s *fakeService) unlock(a *fakeApp, body object) (object, *refusal) {
	if a.tries == 0 {
		return nil, &refusal{423, "blocked", nil}
	}
	id, _ := body["id"].(string)
	if !slices.ContainsFunc(a.pending, func(r object) bool { return r["id"] == id && r["op"] == "sign" }) {
		return nil, &refusal{409, "late", nil}
	}
	if !slices.Equal(s.octets(body, "verifier"), a.verifier) {
		if a.tries--; a.tries == 0 {
			a.end(id)
			return nil, &refusal{423, "blocked", nil}
		}
		return nil, &refusal{403, "passcode", object{"tries_left": a.tries}}
	}
	a.tries, a.unlocked = 3, id
	return object{"share": b64u.EncodeToString(a.share)}, nil
}

func (a *fakeApp) end(id string) {
	a.pending = slices.DeleteFunc(a.pending, func(r object) bool { return r["id"] == id })
}

func (s *fakeService) answer(a *fakeApp, body object) (object, *refusal) {
	if s.unwanted != "" {
		return nil, &refusal{409, s.unwanted, nil}
	}
	if body["signature"] != nil && a.unlocked != body["id"] {
		return nil, &refusal{403, "locked", nil}
	}
	n := len(a.pending)
	a.pending = slices.DeleteFunc(a.pending, func(r object) bool { return r["id"] == body["id"] && r["op"] == body["op"] })
	if len(a.pending) == n {
		return nil, &refusal{409, "late", nil}
	}
	return nil, nil
}

func (s *fakeService) openToken(a *fakeApp, body object) (object, *refusal) {
	token, _ := body["session_token"].(string)
	r := a.byToken[token]
	if r == nil {
		return nil, &refusal{404, "unknown", nil}
	}
	delete(a.byToken, token)
	a.pending = append(a.pending, r)
	return object{"request": r}, nil
}

func (s *fakeService) heartbeat(a *fakeApp, _ object) (object, *refusal) {
	return object{"now": s.now().UnixMilli(), "certificate_expires": 0, "blocked": a.tries == 0}, nil
}

func (s *fakeService) remove(a *fakeApp, _ object) (object, *refusal) {
	delete(s.apps, a.id)
	return nil, nil
}
