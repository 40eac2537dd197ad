package softapp_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/softapp"
	"github.com/signum-mssp/signum/internal/testkit"
)

// Whatever happens, neither the log nor an error contains a passcode, a key, a
// code, a token or a whole number.
func TestLogKeepsSecrets(t *testing.T) {
	t.Parallel()
	const passcode, activation, recovery, token = "97531-pass", "K7QZ-4MX9-2T", "OLD-RECOVERY", "token-of-the-session"
	const text = "Bank: pay 10 CHF?"
	var log testkit.Buffer
	store := new(softapp.Memory)
	c := softapp.Config{
		FastKDF: true, Store: store, Passcode: func(softapp.Info) string { return passcode },
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	inBubble(t, c, func(l *appLab) {
		told := func(err error) {
			if err != nil {
				fmt.Fprintf(&log, "error %v %+v\n", err, err)
			}
		}
		l.service.set(func() { l.service.codes[activation], l.service.fail["enrol"] = msisdn, 1 })
		info, err := l.Enrol(l.t.Context(), activation, softapp.EnrolOptions{Passcode: passcode, RecoveryCode: recovery})
		if err != nil {
			t.Fatal(err)
		}
		id := info.DeviceID
		_, err = l.Enrol(l.t.Context(), activation[1:], softapp.EnrolOptions{Passcode: passcode})
		told(err)
		_, err = l.Enrol(l.t.Context(), activation, softapp.EnrolOptions{Passcode: strings.Repeat(passcode, 10)})
		told(err)
		for i, do := range person.Actions() {
			_ = l.Behave(msisdn, person.Behaviour{Do: do})
			r := l.service.toSign(do.String(), text)
			if i%2 == 1 {
				r["attrs"] = "AAAA"
			}
			l.service.ask(id, r)
			l.wait(time.Minute)
			l.device(id).Unblock()
		}
		_ = l.Behave(msisdn, person.Behaviour{Do: person.Silent})
		for _, path := range []string{"unlock", "answer", "open", "heartbeat"} {
			l.service.set(func() { l.service.fail[path] = 100 })
		}
		l.service.ask(id, l.service.toSign("h1", text))
		l.wait(time.Second)
		told(l.EnterPIN(id, "h1", passcode))
		told(l.EnterPIN(id, "h1", passcode+"x"))
		_, err = l.Open(l.t.Context(), authURI(token))
		told(err)
		_, err = l.Open(l.t.Context(), authURI(token)+"&session_token=%zz")
		told(err)
		l.service.ask(id, l.service.toSign("h2", text))
		l.wait(time.Second)
		told(l.Decline(id, "h2"))
		l.wait(48 * time.Hour)
		l.quit()
		l.start() // with the storage of before
		l.wait(time.Minute)

		record, err := store.App(id)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&log, "%v %+v %#v %v", record, record, *record, l.device(id))
		a := l.service.apps[id]
		secrets := []string{passcode, passcode[:5], person.NotThePIN(passcode), activation, activation[1:], recovery, "R-1", token, text, msisdn, msisdn[3:]}
		for _, b := range [][]byte{record.AuthKey, record.SignKey, record.Secret, a.share, a.verifier} {
			secrets = append(secrets, base64.StdEncoding.EncodeToString(b)[:20], b64u.EncodeToString(b)[:20], hex.EncodeToString(b)[:20], fmt.Sprint(b)[1:40])
		}
		for _, s := range secrets {
			if strings.Contains(log.String(), s) {
				t.Errorf("%q is in the log", s)
			}
		}
		for _, want := range []string{"an App refused a request", "answer of an App given up", "an App was not unlocked", "error "} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("%q is not in the log: the test does not test it\n%s", want, log.String())
			}
		}
	})
}

// An AuthUri is opened by its token, and by no other part of it.
func TestAuthURI(t *testing.T) {
	t.Parallel()
	inBubble(t, plain, func(l *appLab) {
		const token = "a+b/c= ä"
		id := l.enrol(softapp.EnrolOptions{})
		l.service.set(func() { l.service.apps[id].byToken[token] = l.service.toSign("h1", "a") })
		uri := authURI(token)
		for _, bad := range []string{
			"", "mobileid://auth", authURI(""), authURI(token + "x"), uri + "&session_token=x",
			"mobileid://auth?session_token=%zz", strings.Replace(uri, "?", "#", 1),
		} {
			back, err := l.Open(l.t.Context(), bad)
			if !errors.Is(err, softapp.ErrNotWaiting) || back != "" || strings.Contains(err.Error(), "mobileid") {
				t.Errorf("%q: %q, %v", bad, back, err)
			}
		}
		if _, err := l.Open(l.t.Context(), uri+"#fragment"); err != nil {
			t.Fatal(err)
		}
		if s, ok := l.device(id).Shown(); !ok || s.TransID != "h1" {
			t.Errorf("%+v, %t", s, ok)
		}
		if _, err := l.Open(l.t.Context(), uri); !errors.Is(err, softapp.ErrNotWaiting) {
			t.Error(err)
		}
	})
}

// An App whose observer panics while a frame is handled connects again.
func TestPanicInAppInbox(t *testing.T) {
	t.Parallel()
	inBubble(t, plain, func(l *appLab) {
		id := l.enrol(softapp.EnrolOptions{})
		l.diary.Also = func(e person.Event) {
			if e.Kind == person.Shown && e.TransID == "h1" {
				panic("once")
			}
		}
		l.service.ask(id, l.service.toSign("h1", "a"))
		l.wait(time.Second)
		l.service.ask(id, l.service.toSign("h2", "a"))
		l.wait(time.Second)
		if l.Connected() != 1 || len(l.service.dials(id)) != 2 {
			t.Errorf("%d inboxes, %d connections", l.Connected(), len(l.service.dials(id)))
		}
		if !slices.Contains(softapp.Kinds(&l.diary), person.Signed) {
			t.Errorf("%q", softapp.Kinds(&l.diary))
		}
	})
}
