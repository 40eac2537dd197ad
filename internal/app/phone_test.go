package app

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"testing"

	"github.com/signum-mssp/signum/internal/testkit"
)

// phone is an App written after docs/app-protocol.md. It shares no code with the
// server.
type phone struct {
	w              *world
	auth, key      *ecdsa.PrivateKey
	verifier       []byte
	device, msisdn string
	share          string
	serial         string
	recovery       string
	skew           int64 // error of its clock in seconds
	claims         func(head, payload map[string]any)
}

func newPhone(w *world) *phone {
	v := sha256.Sum256([]byte("123456"))
	return &phone{w: w, auth: testkit.ECKey(w.t), key: testkit.ECKey(w.t), verifier: v[:]}
}

// reply is an HTTP answer.
type reply struct {
	status int
	head   http.Header
	body   []byte
}

func (r reply) member(name string) any {
	var m map[string]any
	_ = json.Unmarshal(r.body, &m)
	return m[name]
}

// is checks the status and the error code; an empty code is not checked.
func (r reply) is(t testing.TB, status int, code string) {
	t.Helper()
	if r.status != status || (code != "" && r.member("error") != code) {
		t.Fatalf("got %d %s, want %d %s", r.status, r.body, status, code)
	}
}

func enc(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func rawSign(t testing.TB, k *ecdsa.PrivateKey, message []byte) []byte {
	t.Helper()
	sum := sha256.Sum256(message)
	r, s, err := ecdsa.Sign(rand.Reader, k, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
}

func spki(t testing.TB, k *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// do makes a call and checks both sides against the contract.
func (w *world) do(method, path, proof string, body []byte) reply {
	w.t.Helper()
	req, err := http.NewRequest(method, w.url()+path, bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if proof != "" {
		req.Header.Set("Signum-Proof", proof)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	r := reply{resp.StatusCode, resp.Header, out}
	if err := contract(method, path, body, r); err != nil {
		w.t.Errorf("%s %s: %v\n%s", method, path, err, out)
	}
	caching := "no-store"
	if r.head.Get("Content-Type") == "image/png" {
		caching = "public, max-age=31536000, immutable"
	}
	if r.head.Get("Cache-Control") != caching || r.head.Get("X-Content-Type-Options") != "nosniff" || r.head.Get("Access-Control-Allow-Origin") != "" {
		w.t.Errorf("%s %s: headers %v", method, path, r.head)
	}
	return r
}

func (w *world) post(path string, body any) reply {
	w.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.do("POST", path, "", b)
}

func (p *phone) proof(method, uri string, body []byte) string {
	p.w.t.Helper()
	sum := sha256.Sum256(body)
	jti := make([]byte, 16)
	_, _ = rand.Read(jti)
	head := map[string]any{"alg": "ES256", "typ": "signum-proof+jwt", "kid": p.device}
	payload := map[string]any{
		"aud": service, "htm": method, "htu": uri, "bh": enc(sum[:]), "iat": float64(p.w.clock.Now().UnixMilli())/1000 + float64(p.skew), "jti": enc(jti),
	}
	if p.claims != nil {
		p.claims(head, payload)
	}
	return compact(p.w.t, head, payload, p.auth)
}

func compact(t testing.TB, head, payload any, k *ecdsa.PrivateKey) string {
	t.Helper()
	h, err := json.Marshal(head)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	signed := enc(h) + "." + enc(b)
	return signed + "." + enc(rawSign(t, k, []byte(signed)))
}

// call makes a call with a proof.
func (p *phone) call(method, path string, body any) reply {
	p.w.t.Helper()
	var b []byte
	if body != nil {
		var err error
		if b, err = json.Marshal(body); err != nil {
			p.w.t.Fatal(err)
		}
	}
	return p.w.do(method, path, p.proof(method, path, b), b)
}

type obj = map[string]any

// enrolBody is the body of the second call of an enrolment, from the answer to
// the first.
func (p *phone) enrolBody(begun reply, recovery string) obj {
	p.w.t.Helper()
	challenge, err := base64.RawURLEncoding.DecodeString(begun.member("challenge").(string))
	if err != nil {
		p.w.t.Fatal(err)
	}
	a, s := spki(p.w.t, p.auth), spki(p.w.t, p.key)
	message := bytes.Join([][]byte{[]byte("signum enrolment\x00"), challenge, a, s}, nil)
	p.share = begun.member("share").(string)
	body := obj{
		"enrolment": begun.member("enrolment"), "auth_key": enc(a), "auth_proof": enc(rawSign(p.w.t, p.auth, message)),
		"sign_key": enc(s), "sign_proof": enc(rawSign(p.w.t, p.key, message)), "verifier": enc(p.verifier),
		"name": "My phone", "version": "1.0", "platform": "test",
	}
	if recovery != "" {
		body["recovery_code"] = recovery
	}
	return body
}

func (p *phone) begin(code string) reply { return p.w.post("/app/v2/enrol/begin", obj{"code": code}) }

func (p *phone) enrol(code, recovery string) reply {
	p.w.t.Helper()
	begun := p.begin(code)
	if begun.status != http.StatusOK {
		return begun
	}
	r := p.w.post("/app/v2/enrol", p.enrolBody(begun, recovery))
	p.take(r)
	return r
}

func (p *phone) take(r reply) {
	if r.status != http.StatusOK {
		return
	}
	p.device, p.msisdn = r.member("device").(string), r.member("msisdn").(string)
	p.serial = r.member("serial").(string)
	p.recovery, _ = r.member("recovery_code").(string)
}

func (p *phone) answer(body obj) reply { return p.call("POST", "/app/v2/answer", body) }

// sign unlocks a request and answers it with a signature over these attributes.
func (p *phone) sign(id string, attrs []byte) reply {
	if r := p.unlock(p.verifier, id); r.status != http.StatusOK {
		return r
	}
	return p.signOnly(id, attrs)
}

// signOnly signs without unlocking, as an App does that kept its key.
func (p *phone) signOnly(id string, attrs []byte) reply {
	return p.answer(obj{"id": id, "op": "sign", "signature": enc(rawSign(p.w.t, p.key, attrs))})
}

// derOK verifies a signature in the form that the engine gets.
func derOK(k *ecdsa.PrivateKey, message, der []byte) bool {
	sum := sha256.Sum256(message)
	return ecdsa.VerifyASN1(&k.PublicKey, sum[:], der)
}

func bigBytes(n *big.Int) []byte { return n.FillBytes(make([]byte, 32)) }
