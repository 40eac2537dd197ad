package sandbox

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/lab/control"
)

// call calls a control address of the world.
func (w *someWorld) call(method, path, body string) (status int, answer string) {
	w.t.Helper()
	return w.box.control(w.t, method, "/sandbox/v1/worlds/"+w.Name+"/"+path, body)
}

// await waits for a request to a phone.
func (w *someWorld) await(msisdn string) *control.PhoneRequest {
	w.t.Helper()
	status, answer := w.call("POST", "phones/"+url.PathEscape(msisdn)+"/await?timeout=30s", "")
	r := new(control.PhoneRequest)
	if err := json.Unmarshal([]byte(answer), r); err != nil || status != http.StatusOK {
		w.t.Fatalf("await: %d %s", status, answer)
	}
	return r
}

// act does something with a request.
func (w *someWorld) act(r *control.PhoneRequest, do, body string) {
	w.t.Helper()
	if status, answer := w.call("POST", "requests/"+r.ID+"/"+do, body); status != http.StatusNoContent {
		w.t.Fatalf("%s: %d %s", do, status, answer)
	}
}

// signing asks for a signature and tells its end.
func (w *someWorld) signing(wire, msisdn string) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := w.sign(w.clients[wire], msisdn)
		done <- err
	}()
	return done
}

func codeOf(err error) signum.Code {
	if f := signum.AsFault(err); f != nil {
		return f.Code
	}
	if err != nil {
		return -1
	}
	return 0
}

const (
	simUser = "+41791000001"
	appUser = "+41791000002"
)

// A test waits for the phone, reads the text, and says what the user does.
func TestAwait(t *testing.T) {
	t.Parallel()
	box := run(t, Config{})
	for _, tt := range []struct {
		do, body string
		code     signum.Code
	}{
		{"approve", "", 0}, {"cancel", "", signum.UserCancel}, {"wrong-pin", "", signum.PINBlocked}, {"wrong-pin", `{"times":2}`, 0},
		{"bad-signature", "", signum.InvalidSignature}, {"release", "", 0}, {"report", "", signum.UserCancel}, {"approve", `{"after":"10ms","location":"DE"}`, 0},
	} {
		for _, msisdn := range []string{simUser, appUser} {
			for _, body := range []string{"", `{"behaviour":"hold"}`} {
				if body != "" && tt.do == "release" {
					continue // such a user goes on doing nothing
				}
				t.Run(tt.do+tt.body+msisdn[11:]+body, func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, box, cmp.Or(body, "{}"))
					awaited := make(chan *control.PhoneRequest, 1)
					if body == "" { // the await comes first, or the user could be faster
						go func() { awaited <- w.await(msisdn) }()
						w.waiting(msisdn)
					}
					done := w.signing("rest", msisdn)
					if body != "" {
						awaited <- w.await(msisdn)
					}
					r := <-awaited
					if r.Text != "Sandbox: Log in?" || r.Party != "Sandbox" || r.APID != w.APID || !r.Held || r.Operation != "signature" || r.Profile == "" {
						t.Errorf("%+v", r)
					}
					w.act(r, tt.do, tt.body)
					if err := <-done; codeOf(err) != tt.code {
						t.Errorf("%v, want %v", err, tt.code)
					}
					if status, answer := w.call("POST", "requests/"+r.ID+"/approve", ""); status != http.StatusNotFound {
						t.Errorf("a second act: %d %s", status, answer)
					}
				})
			}
		}
	}
}

// waiting returns once an await waits for a request to a number.
func (w *someWorld) waiting(msisdn string) {
	w.t.Helper()
	found, err := w.box.worlds.Load().Find(w.Name)
	if err != nil {
		w.t.Error(err)
		return
	}
	for !found.Awaited(msisdn) && w.t.Context().Err() == nil {
		time.Sleep(time.Millisecond)
	}
}

// What a script says comes before what the user does.
func TestScript(t *testing.T) {
	t.Parallel()
	box := run(t, Config{MinTimeout: 1e9})
	for _, tt := range []struct {
		act  string
		code signum.Code
	}{
		{"approve", 0}, {"cancel", signum.UserCancel}, {"wrong-pin", signum.PINBlocked}, {"blocked", signum.PINBlocked}, {"no-key", signum.NoKeyFound},
		{"unreachable", signum.OTAError}, {"bad-signature", signum.InvalidSignature}, {"report", signum.UserCancel}, {"silent", signum.ExpiredTransaction},
		{"hold", signum.ExpiredTransaction}, {"late", signum.ExpiredTransaction},
		{"wrong-key", signum.InvalidSignature}, {"other-text", signum.InvalidSignature}, {"twice", 0},
	} {
		for _, msisdn := range []string{simUser, appUser} {
			t.Run(tt.act+msisdn[11:], func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, box, `{}`)
				status, answer := w.call("PUT", "script", fmt.Sprintf(`{"steps":[{"match":{"text":{"contains":"Pay"}},"act":{"do":%q}}]}`, tt.act))
				if status != http.StatusOK {
					t.Fatalf("%d %s", status, answer)
				}
				for _, text := range []string{"Log in?", "Pay 10 francs?"} {
					want := tt.code
					if text == "Log in?" {
						want = 0
					}
					c := w.clients["soap"]
					resp, err := c.Sign(t.Context(), client.SignRequest{MSISDN: msisdn, Text: w.DTBDPrefix + text, Lang: "en", Timeout: 2e9})
					if err == nil {
						_, err = client.Verify(resp.Signature, w.roots)
					}
					if codeOf(err) != want {
						t.Errorf("%s: %v, want %v", text, err, want)
					}
				}
				if status, answer := w.call("GET", "script", ""); status != http.StatusOK || answer != "{\"steps\":[]}\n" {
					t.Errorf("what is left: %d %s", status, answer)
				}
			})
		}
	}
}

// The script of a number comes before that of all; a step can wait for the n-th request, and be for
// several.
func TestScriptOrder(t *testing.T) {
	t.Parallel()
	box := run(t, Config{})
	w := newWorld(t, box, `{}`)
	set := func(path, body string, status int, want string) {
		t.Helper()
		if got, answer := w.call("PUT", path, body); got != status || !strings.Contains(answer, want) {
			t.Errorf("%s: %d %s, want %d %s", body, got, answer, status, want)
		}
	}
	set("script", `{"steps":[{"act":{"do":"cancel"},"times":2}]}`, 200, `"times":2`)
	set("phones/"+simUser+"/script", `{"steps":[{"match":{"nth":2,"method":"SIM","operation":"signature","ap_id":"`+w.APID+`"},"act":{"do":"bad-signature"}}]}`, 200, "nth")
	for i, want := range []signum.Code{signum.UserCancel, signum.InvalidSignature, signum.UserCancel, 0} {
		if _, err := w.sign(w.clients["rest"], simUser); codeOf(err) != want {
			t.Errorf("%d: %v, want %v", i, err, want)
		}
	}
	set("script", `{"steps":[{"act":{"do":"dance"}}]}`, 400, "step 1: act: do must be one of approve, cancel")
	set("script", `{"steps":[{"match":{"text":{"matches":"("}},"act":{"do":"cancel"}}]}`, 400, "missing closing")
	set("phones/0791234567/script", `{"steps":[]}`, 400, "is not the number")
	set("script", `{"steps":[{"match":{"operation":"receipt"},"act":{"do":"cancel"}}]}`, 200, "")
	resp, err := w.clients["rest"].Sign(t.Context(), client.SignRequest{MSISDN: simUser, Text: w.DTBDPrefix + "Log in?", Lang: "en"})
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := w.clients["rest"].Receipt(t.Context(), client.ReceiptRequest{TransID: resp.TransID, MSISDN: resp.MSISDN, Text: w.DTBDPrefix + "Done", UserAck: true})
	if err != nil || client.UserAnswer(receipt) != signum.ReceiptCancelled {
		t.Errorf("%+v, %v", receipt, err)
	}
}

// A wait without a request says so, and nothing is held for it afterwards.
func TestAwaitNothing(t *testing.T) {
	t.Parallel()
	box := run(t, Config{})
	w := newWorld(t, box, `{}`)
	for query, want := range map[string]string{"?timeout=50ms": "no request came to the phone: none within 50ms", "?timeout=x": "must be a duration", "?timeout=1h": "up to 5m"} {
		if status, answer := w.call("POST", "phones/"+simUser+"/await"+query, ""); status == http.StatusOK || !strings.Contains(answer, want) {
			t.Errorf("%s: %d %s", query, status, answer)
		}
	}
	if _, err := w.sign(w.clients["rest"], simUser); err != nil {
		t.Error(err)
	}
}
