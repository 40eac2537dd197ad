package phonepage

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/go-jose/go-jose/v4"

	"github.com/signum-mssp/signum/internal/web/webtest"
)

// fake is the service. It is written from docs/app-protocol.md alone and shares no code
// with package app, so that it verifies the App independently.
type fake struct {
	*httptest.Server
	t *testing.T

	mu         sync.Mutex
	codes      map[string]bool // activation codes; true: the recovery code is requested
	devices    map[string]*fakeDevice
	begun      map[string]fakeBegun
	pending    []request
	answers    map[string]map[string]any // by id and op
	cms        map[string]bool           // ids of signatures
	bodies     []string                  // of all calls
	shown      []string
	proofs     map[string]bool
	inbox      *websocket.Conn
	opened     int                // inboxes
	hidden     map[string]request // app2app, by session token
	down       bool
	upgraded   bool // the service speaks a newer version of the protocol
	skew       time.Duration
	goodCode   string // the correct `choice`
	beats      []map[string]any
	pushKey    string          // for which subscriptions are made
	pushEnded  map[string]bool // endpoints that the push service does not know any more
	removed    bool
	objections []string
	logos      map[string][]byte
}

type fakeBegun struct {
	code             string
	challenge, share []byte
	answer           []byte
}

type fakeDevice struct {
	id, verifier string
	share        []byte
	auth, sign   *ecdsa.PublicKey
	tries        int
	passkeys     map[string]*ecdsa.PublicKey
	refused      bool   // the service refuses passkeys
	unlocked     string // the request
	name         string
}

const fakeService = "https://signum.test"

func newFake(t *testing.T) *fake { return newFakeOf(t, serviceName) }

func newFakeOf(t *testing.T, serviceName string) *fake {
	f := &fake{
		t: t, codes: map[string]bool{"K7QZ4MX92T": false}, devices: map[string]*fakeDevice{}, begun: map[string]fakeBegun{},
		answers: map[string]map[string]any{}, cms: map[string]bool{}, proofs: map[string]bool{}, hidden: map[string]request{},
		pushKey: b64([]byte("key 1")), pushEnded: map[string]bool{},
	}
	mux := http.NewServeMux()
	page := Handler(Config{ServiceName: serviceName})
	mux.Handle("/phone", page)
	mux.Handle("/phone/", page)
	for path, h := range map[string]func(*http.Request, []byte) (any, *fakeError){
		"POST /app/v2/enrol/begin": f.begin,
		"POST /app/v2/enrol":       f.enrol,
		"POST /app/v2/unlock":      f.proved(f.unlock),
		"POST /app/v2/answer":      f.proved(f.answer),
		"POST /app/v2/passcode":    f.proved(f.passcode),
		"POST /app/v2/passkey":     f.proved(f.passkey),
		"GET /app/v2/passkey":      f.proved(f.passkeys),
		"DELETE /app/v2/passkey":   f.proved(f.removePasskey),
		"POST /app/v2/share":       f.proved(f.getShare),
		"POST /app/v2/heartbeat":   f.proved(f.heartbeat),
		"POST /app/v2/open":        f.proved(f.open),
		"GET /app/v2/signature":    f.proved(f.signature),
		"POST /app/v2/object":      f.proved(f.object),
		"DELETE /app/v2/device":    f.proved(f.remove),
	} {
		mux.HandleFunc(path, f.endpoint(h))
	}
	mux.HandleFunc("GET /app/v2/inbox", f.serveInbox)
	mux.HandleFunc("GET /app/v2/push-key", f.endpoint(func(*http.Request, []byte) (any, *fakeError) { return map[string]any{"key": f.pushKey}, nil }))
	mux.HandleFunc("GET /app/v2/logos/{file}", f.logo)
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		down, upgraded := f.down, f.upgraded
		f.mu.Unlock()
		if down {
			panic(http.ErrAbortHandler)
		}
		if upgraded && strings.HasPrefix(r.URL.Path, "/app/v2/") {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusGone)
			_, _ = io.WriteString(w, `{"error":"upgrade","detail":"This App is too old."}`)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	f.Config.ErrorLog = nil
	t.Cleanup(func() {
		f.drop()
		f.CloseClientConnections()
		f.Close()
	})
	return f
}

// address has a host name, because passkeys do not work for IP addresses.
func (f *fake) address() string { return strings.Replace(f.URL, "127.0.0.1", "localhost", 1) }

type fakeError struct {
	status int
	body   map[string]any
}

func refuse(status int, code string, more ...any) *fakeError {
	e := &fakeError{status, map[string]any{"error": code, "detail": "the test says " + code}}
	for i := 0; i+1 < len(more); i += 2 {
		e.body[more[i].(string)] = more[i+1]
	}
	return e
}

func (f *fake) endpoint(h func(*http.Request, []byte) (any, *fakeError)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		f.mu.Lock()
		f.bodies = append(f.bodies, string(body))
		v, e := h(r, body)
		f.mu.Unlock()
		switch {
		case e != nil:
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(e.status)
			_ = json.NewEncoder(w).Encode(e.body)
		case v == nil:
			w.WriteHeader(http.StatusNoContent)
		default:
			if raw, ok := v.([]byte); ok {
				w.Header().Set("Content-Type", "application/pkcs7-signature")
				_, _ = w.Write(raw)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(v)
		}
	}
}

// prove checks a proof with a JOSE library.
func (f *fake) prove(compact, method, path string, body []byte) (*fakeDevice, *fakeError) {
	jws, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return nil, refuse(400, "malformed")
	}
	head := jws.Signatures[0].Protected
	d := f.devices[head.KeyID]
	if d == nil || head.ExtraHeaders["typ"] != "signum-proof+jwt" {
		return nil, refuse(401, "unauthorised")
	}
	payload, err := jws.Verify(d.auth)
	if err != nil {
		return nil, refuse(401, "unauthorised")
	}
	var c struct {
		Aud, Htm, Htu, Bh, Jti string
		Iat                    float64
	}
	if json.Unmarshal(payload, &c) != nil || c.Aud != fakeService || c.Htm != method || c.Htu != path || c.Bh != digest(body) || len(unb64(c.Jti)) < 16 {
		f.t.Errorf("proof %s is not of %s %s", payload, method, path)
		return nil, refuse(401, "unauthorised")
	}
	now := time.Now().Add(f.skew)
	if age := now.Sub(time.UnixMilli(int64(math.Round(c.Iat * 1000)))); age < 0 || age > time.Minute {
		return nil, refuse(401, "stale", "now", float64(now.UnixMilli())/1000)
	}
	if f.proofs[c.Jti] {
		return nil, refuse(401, "replay")
	}
	f.proofs[c.Jti] = true
	return d, nil
}

func (f *fake) proved(h func(*fakeDevice, *http.Request, []byte) (any, *fakeError)) func(*http.Request, []byte) (any, *fakeError) {
	return func(r *http.Request, body []byte) (any, *fakeError) {
		d, e := f.prove(r.Header.Get("Signum-Proof"), r.Method, r.URL.RequestURI(), body)
		if e != nil {
			return nil, e
		}
		return h(d, r, body)
	}
}

func (f *fake) begin(_ *http.Request, body []byte) (any, *fakeError) {
	var in struct{ Code string }
	_ = json.Unmarshal(body, &in)
	code := strings.ReplaceAll(in.Code, "-", "")
	wanted, ok := f.codes[code]
	if !ok {
		return nil, refuse(404, "code")
	}
	id := rand.Text()
	b := fakeBegun{code: code, challenge: random32(), share: random32()}
	f.begun[id] = b
	recovery := "none"
	if wanted {
		recovery = "wanted"
	}
	return map[string]any{"enrolment": id, "challenge": b64(b.challenge), "share": b64(b.share), "msisdn": "+41****01", "service": fakeService, "recovery": recovery}, nil
}

func (f *fake) enrol(_ *http.Request, body []byte) (any, *fakeError) {
	var in map[string]string
	_ = json.Unmarshal(body, &in)
	b, ok := f.begun[in["enrolment"]]
	if !ok {
		return nil, refuse(404, "code")
	}
	if b.answer != nil { // the answer was lost
		return json.RawMessage(b.answer), nil
	}
	if in["recovery_code"] != "" && in["recovery_code"] != "RIGHT-CODE" {
		return nil, refuse(409, "recovery")
	}
	proven := slices.Concat([]byte("signum enrolment\x00"), b.challenge, unb64(in["auth_key"]), unb64(in["sign_key"]))
	d := &fakeDevice{id: "D" + rand.Text(), verifier: in["verifier"], share: b.share, tries: 3, passkeys: map[string]*ecdsa.PublicKey{}, name: in["name"]}
	for name, key := range map[string]**ecdsa.PublicKey{"auth": &d.auth, "sign": &d.sign} {
		*key = publicKey(in[name+"_key"])
		if *key == nil || !verifies(*key, proven, in[name+"_proof"]) {
			return nil, refuse(403, "proof")
		}
	}
	if len(unb64(d.verifier)) != 32 || in["platform"] != "web" || in["version"] == "" {
		f.t.Errorf("enrolment: %s", body)
	}
	f.devices[d.id] = d
	out := map[string]any{"device": d.id, "msisdn": "+41791234001", "serial": "MIDCHE1A2B3C4D5E", "certificates": []string{b64([]byte("leaf")), b64([]byte("ca"))}}
	if !f.codes[b.code] {
		out["recovery_code"] = "ABCD-EFGH-JKMN-PQRS-TVWX"
	}
	delete(f.codes, b.code)
	b.answer, _ = json.Marshal(out)
	f.begun[in["enrolment"]] = b
	return out, nil
}

func (f *fake) unlock(d *fakeDevice, _ *http.Request, body []byte) (any, *fakeError) {
	var in struct {
		Verifier, ID string
		Assertion    map[string]string
	}
	_ = json.Unmarshal(body, &in)
	if f.find(in.ID, "sign") == nil {
		return nil, refuse(409, "late")
	}
	if in.Assertion != nil {
		if d.refused || !f.asserted(d, in.ID, in.Assertion) {
			return nil, refuse(403, "passkey")
		}
	} else if e := f.tried(d, in.Verifier); e != nil {
		return nil, e
	}
	d.unlocked = in.ID
	return map[string]any{"share": b64(d.share)}, nil
}

// tried checks a passcode.
func (f *fake) tried(d *fakeDevice, verifier string) *fakeError {
	if d.tries == 0 {
		return refuse(423, "blocked")
	}
	if verifier != d.verifier {
		if d.tries--; d.tries == 0 {
			for _, r := range f.pending {
				f.tell(map[string]any{"type": "gone", "id": r["id"], "op": r["op"], "reason": "answered"})
			}
			f.pending = nil
			return refuse(423, "blocked")
		}
		return refuse(403, "passcode", "tries_left", d.tries)
	}
	d.tries = 3
	return nil
}

func (f *fake) getShare(d *fakeDevice, _ *http.Request, body []byte) (any, *fakeError) {
	var in map[string]string
	_ = json.Unmarshal(body, &in)
	if e := f.tried(d, in["verifier"]); e != nil {
		return nil, e
	}
	return map[string]any{"share": b64(d.share)}, nil
}

func (f *fake) passkeys(d *fakeDevice, _ *http.Request, _ []byte) (any, *fakeError) {
	list := []map[string]any{}
	for id := range d.passkeys {
		list = append(list, map[string]any{"id": id, "added": time.Now().UnixMilli()})
	}
	return map[string]any{"passkeys": list}, nil
}

func (f *fake) removePasskey(d *fakeDevice, r *http.Request, _ []byte) (any, *fakeError) {
	id := r.URL.Query().Get("id")
	if d.passkeys[id] == nil {
		return nil, refuse(404, "unknown")
	}
	delete(d.passkeys, id)
	return nil, nil
}

// asserted checks a passkey assertion over the attributes of a request.
func (f *fake) asserted(d *fakeDevice, id string, a map[string]string) bool {
	key, r := d.passkeys[a["id"]], f.find(id, "sign")
	if key == nil || r == nil {
		return false
	}
	var client struct{ Type, Challenge, Origin string }
	_ = json.Unmarshal(unb64(a["client_data"]), &client)
	auth := unb64(a["authenticator_data"])
	rp := sha256.Sum256([]byte("localhost"))
	clientHash := sha256.Sum256(unb64(a["client_data"]))
	signed := sha256.Sum256(slices.Concat(auth, clientHash[:]))
	return client.Type == "webauthn.get" && client.Origin == f.address() && client.Challenge == digest(unb64(r["attrs"].(string))) &&
		len(auth) >= 37 && string(auth[:32]) == string(rp[:]) && auth[32]&4 != 0 && ecdsa.VerifyASN1(key, signed[:], unb64(a["signature"]))
}

func (f *fake) passcode(d *fakeDevice, _ *http.Request, body []byte) (any, *fakeError) {
	var in map[string]string
	_ = json.Unmarshal(body, &in)
	if in["verifier"] != d.verifier || len(unb64(in["new_verifier"])) != 32 {
		return nil, refuse(403, "passcode", "tries_left", 2)
	}
	d.verifier = in["new_verifier"]
	return nil, nil
}

func (f *fake) passkey(d *fakeDevice, _ *http.Request, body []byte) (any, *fakeError) {
	var in map[string]string
	_ = json.Unmarshal(body, &in)
	if in["verifier"] != d.verifier {
		return nil, refuse(403, "passcode", "tries_left", 2)
	}
	d.passkeys[in["id"]] = publicKey(in["public_key"])
	return nil, nil
}

func (f *fake) heartbeat(d *fakeDevice, _ *http.Request, body []byte) (any, *fakeError) {
	var in map[string]any
	_ = json.Unmarshal(body, &in)
	f.beats = append(f.beats, in)
	now := time.Now().Add(f.skew)
	answer := map[string]any{"now": now.UnixMilli(), "certificate_expires": now.AddDate(3, 0, 0).UnixMilli(), "blocked": d.tries == 0}
	if push, _ := in["push"].(map[string]any); push != nil && f.pushEnded[fmt.Sprint(push["endpoint"])] {
		answer["push_ended"] = map[string]any{"reason": "gone", "at": now.UnixMilli()}
	}
	return answer, nil
}

func (f *fake) open(_ *fakeDevice, _ *http.Request, body []byte) (any, *fakeError) {
	var in map[string]string
	_ = json.Unmarshal(body, &in)
	r, ok := f.hidden[in["session_token"]]
	if !ok {
		return nil, refuse(404, "unknown")
	}
	delete(f.hidden, in["session_token"])
	f.pending = append(f.pending, r)
	return map[string]any{"request": r}, nil
}

func (f *fake) signature(_ *fakeDevice, r *http.Request, _ []byte) (any, *fakeError) {
	if !f.cms[r.URL.Query().Get("id")] {
		return nil, refuse(404, "unknown")
	}
	return []byte("cms of " + r.URL.Query().Get("id")), nil
}

func (f *fake) remove(d *fakeDevice, _ *http.Request, _ []byte) (any, *fakeError) {
	delete(f.devices, d.id)
	f.removed = true
	return nil, nil
}

func (f *fake) answer(d *fakeDevice, _ *http.Request, body []byte) (any, *fakeError) {
	var in map[string]any
	_ = json.Unmarshal(body, &in)
	id, op := fmt.Sprint(in["id"]), fmt.Sprint(in["op"])
	r := f.find(id, op)
	if r == nil {
		return nil, refuse(409, "late")
	}
	if sig, ok := in["signature"].(string); ok {
		if d.unlocked != id {
			return nil, refuse(403, "locked")
		}
		if !verifies(d.sign, unb64(r["attrs"].(string)), sig) {
			f.t.Errorf("signature of %s does not verify", id)
		}
		f.cms[id] = f.goodCode == "" || in["choice"] == f.goodCode
	}
	f.answers[id+" "+op] = in
	f.pending = slices.DeleteFunc(f.pending, func(r request) bool { return r["id"] == id && r["op"] == op })
	return nil, nil
}

func (f *fake) find(id, op string) request {
	for _, r := range f.pending {
		if r["id"] == id && r["op"] == op {
			return r
		}
	}
	return nil
}

func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// answerOf waits for the answer to a request.
func (f *fake) answerOf(r request) map[string]any {
	f.t.Helper()
	for end := time.Now().Add(webtest.Patience); time.Now().Before(end); {
		f.mu.Lock()
		a := f.answers[fmt.Sprint(r["id"], " ", r["op"])]
		f.mu.Unlock()
		if a != nil {
			return a
		}
		time.Sleep(25 * time.Millisecond)
	}
	f.t.Fatalf("no answer to %v", r["id"])
	return nil
}
