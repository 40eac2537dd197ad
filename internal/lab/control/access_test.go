package control

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
)

const token = "0123456789abcdef"

// untouched is a body that must not be read.
type untouched struct{ t *testing.T }

func (u untouched) Read([]byte) (int, error) {
	u.t.Error("the body was read before access")
	return 0, io.EOF
}

// TestAccess: a party's certificate or the token opens every address, nothing else does.
func TestAccess(t *testing.T) {
	party, stranger, broken := []byte("party"), []byte("stranger"), []byte("broken")
	isParty := func(_ context.Context, p mssp.Pin) (bool, error) {
		if p == mssp.PinOf(broken) {
			return false, errors.New("database gone")
		}
		return p == mssp.PinOf(party), nil
	}
	for _, tt := range []struct {
		name, token, authorization string
		cert                       []byte
		status                     int
		want                       string
	}{
		{"party", token, "", party, 200, ""},
		{"token", token, "Bearer " + token, nil, 200, ""},
		{"token, scheme in lower case", token, "bearer  " + token, nil, 200, ""},
		{"token and stranger", token, "Bearer " + token, stranger, 200, ""},
		{"nobody", token, "", nil, 401, "sandbox.json"},
		{"stranger", token, "", stranger, 403, "ap.crt"},
		{"wrong token", token, "Bearer " + token + "0", nil, 401, "sandbox.json"},
		{"a wrong token of a party", token, "Bearer x", party, 401, "sandbox.json"},
		{"half a token", token, "Bearer " + token[:8], nil, 401, "sandbox.json"},
		{"no token", token, "Bearer ", nil, 401, "sandbox.json"},
		{"no token, none set", "", "Bearer ", nil, 401, "sandbox.json"},
		{"another scheme", token, "Basic " + token, nil, 401, "Bearer TOKEN"},
		{"no scheme", token, token, nil, 401, "Bearer TOKEN"},
		{"store down", token, "", broken, 500, "at the moment"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := New(Config{Token: tt.token, IsParty: isParty})
			r := httptest.NewRequest(http.MethodPost, "/sandbox/phone", untouched{t})
			if tt.authorization != "" {
				r.Header.Set("Authorization", tt.authorization)
			}
			if tt.cert != nil {
				r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{Raw: tt.cert}}}
			}
			w := httptest.NewRecorder()
			c.admit(func(http.ResponseWriter, *http.Request) {}).ServeHTTP(w, r)
			var answer struct{ Error string }
			if w.Code != 200 {
				if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
					t.Error(err)
				}
			}
			if w.Code != tt.status || !strings.Contains(answer.Error, tt.want) || strings.Contains(answer.Error, token) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if challenge := w.Header().Get("WWW-Authenticate"); (challenge != "") != (tt.status == 401) {
				t.Errorf("WWW-Authenticate: %q", challenge)
			}
		})
	}
}

func TestCheckToken(t *testing.T) {
	for text, ok := range map[string]bool{
		NewToken(): true, token: true, token[1:]: false, "": false, "0123456789 abcdef": false, "0123456789abcdef\n": false, "0123456789abcdeé": false,
	} {
		if err := CheckToken(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// waitingPhones notes whether the sandbox was ready.
type waitingPhones struct {
	Phones
	ready  <-chan struct{}
	before atomic.Bool
}

func (p *waitingPhones) Behave(string, person.Behaviour) error {
	select {
	case <-p.ready:
	default:
		p.before.Store(true)
	}
	return nil
}

func (p *waitingPhones) Unblock(context.Context, string) error { return nil }

// A call waits until the sandbox is ready, or the caller goes away.
func TestCallsWait(t *testing.T) {
	ready := make(chan struct{})
	p := &waitingPhones{ready: ready}
	h := New(Config{Token: token, Ready: ready, World: World{Phones: p}}).Handlers()["POST /sandbox/phone"]
	call := func(ctx context.Context) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/sandbox/phone", strings.NewReader(`{"msisdn":"+41791000001","behaviour":"cancel"}`))
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if w := call(gone); w.Code != http.StatusInternalServerError {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	done := make(chan int)
	for range 10 {
		go func() { done <- call(t.Context()).Code }()
	}
	close(ready)
	for range 10 {
		if status := <-done; status != http.StatusOK {
			t.Error(status)
		}
	}
	if p.before.Load() {
		t.Error("a call did not wait")
	}
}
