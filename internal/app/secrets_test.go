package app

import (
	"errors"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/mssp"
)

// Whatever is called, refused, fails or panics, the log contains no code, proof,
// verifier, share, token, endpoint, text or whole number.
func TestLogKeepsSecrets(t *testing.T) {
	t.Parallel()
	w, push := pushWorld(t)
	const token, text, attrs, wrongCode = "token-of-the-session", "Bank: pay 10 CHF?", "signed attributes", "K7QZ-4MX9-2T"
	p := newPhone(w)
	code := w.invite(alice, false)
	p.begin(wrongCode).is(t, 404, "code")
	begun := p.begin(code)
	body := p.enrolBody(begun, "WRONG-RECOVERY")
	for _, call := range []string{"Issue", "EnrolApp"} {
		w.trap.set(call, "")
		w.post("/app/v2/enrol", body).is(t, 500, "internal")
	}
	p.take(w.post("/app/v2/enrol", body))
	recovery, err := w.server.SetRecovery(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	newPhone(w).enrol(w.invite(alice, false), recovery[:28]+"?").is(t, 409, "recovery")

	subscription := push.subscription("/secret-endpoint")
	push.http.Close() // no push arrives
	p.heartbeat(obj{"push": subscription}).is(t, 200, "")
	ask := func(id string, edit ...func(*mssp.DeviceRequest)) {
		w.ask(p, id, append(edit, func(r *mssp.DeviceRequest) { r.Text, r.SignedAttrs = text, []byte(attrs) })...)
	}
	ask("h1", func(r *mssp.DeviceRequest) {
		r.App2App = &mssp.App2App{TokenHash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}
	})
	ask("h2", display)
	p.call("POST", "/app/v2/open", obj{"session_token": token}).is(t, 404, "unknown")
	proof := p.proof("GET", "/app/v2/requests", nil)
	for range 2 {
		w.do("GET", "/app/v2/requests", proof, nil)
	}
	w.do("GET", "/app/v2/requests", proof+"x", nil)
	in := p.dial()
	in.say(obj{"type": "hello", "proof": proof})
	in.closed(4401, "")
	for _, call := range []string{"TryPasscode", "UpdateApp", "Pending", "Answer"} {
		w.trap.set(call, "")
		p.unlock(p.verifier, "h1")
		p.heartbeat(obj{"push": subscription})
		p.connect()
		p.sign("h1", []byte(attrs))
		p.answer(obj{"id": "h2", "op": "display", "receipt": "OK"})
	}
	wrong := make([]byte, 32)
	p.call("POST", "/app/v2/passcode", obj{"verifier": enc(wrong), "new_verifier": enc(p.verifier)}).is(t, 403, "passcode")
	w.store.setFail(errors.New("no disk"))
	p.getShare(p.verifier).is(t, 500, "internal")
	w.store.setFail(nil)
	eventually(t, "the push has failed", func() bool { return strings.Contains(w.log.String(), "App not woken") })

	for name, secret := range map[string]string{
		"activation code": code, "wrong code": wrongCode, "recovery code": p.recovery, "new recovery code": recovery, "wrong recovery code": "WRONG-RECOVERY",
		"share": p.share, "verifier": enc(p.verifier), "wrong verifier": enc(wrong), "token": token, "proof": proof[:40],
		"endpoint": "secret-endpoint", "text": text, "attributes": attrs, "number": alice, "number without +": alice[1:],
	} {
		if secret == "" || strings.Contains(w.log.String(), secret) {
			t.Errorf("the %s is in the log: %q", name, secret)
		}
	}
	for _, want := range []string{"msg=panic", "status=500", "reason=replay", "close=4401"} {
		if !strings.Contains(w.log.String(), want) {
			t.Errorf("%s is not in the log: the test does not test it", want)
		}
	}
}
