package softapp_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/softapp"
	"github.com/signum-mssp/signum/internal/testkit"
)

// An enrolment whose answers are lost is repeated with the same keys.
func TestAppEnrolRetries(t *testing.T) {
	t.Parallel()
	inBubble(t, plain, func(l *appLab) {
		l.service.set(func() {
			l.service.codes["K7QZ"] = msisdn
			l.service.fail["enrol"], l.service.fail["enrol/begin"] = -2, 2
		})
		info, err := l.Enrol(l.t.Context(), "K7QZ", softapp.EnrolOptions{RecoveryCode: "R-0"})
		if err != nil {
			t.Fatal(err)
		}
		if info.MSISDN != msisdn || info.Serial != "MIDCHE1" || info.RecoveryCode != "R-1" || info.Name != "Software App" || len(info.Certificates) != 2 {
			t.Errorf("%+v", info)
		}
		calls := l.service.called("enrol")
		if len(calls) != 3 || calls[0].body["recovery_code"] != "R-0" {
			t.Errorf("%+v", calls)
		}
		if list := l.List(); len(list) != 1 || list[0].DeviceID != info.DeviceID || list[0].RecoveryCode != "" {
			t.Errorf("%+v", list)
		}
	})
}

func TestAppErrors(t *testing.T) {
	t.Parallel()
	inBubble(t, plain, func(l *appLab) {
		e := (*softapp.Error)(nil)
		if _, err := l.Enrol(l.t.Context(), "WRONG", softapp.EnrolOptions{}); !errors.As(err, &e) || e.Code != "code" || e.Status != 404 {
			t.Error(err)
		}
		if _, err := l.Enrol(l.t.Context(), "x", softapp.EnrolOptions{Passcode: string(bytes.Repeat([]byte("x"), 65))}); err == nil {
			t.Error("a long passcode was accepted")
		}
		for _, err := range []error{
			l.Behave(msisdn, person.Behaviour{}), l.Place(msisdn, person.DefaultPlace()), l.Choose("x", nil), l.EnterPIN("x", "h", "1"),
			l.Acknowledge("x", "h"), l.Decline("x", "h"), l.Unenrol(l.t.Context(), "x"),
		} {
			if !errors.Is(err, person.ErrUnknown) {
				t.Error(err)
			}
		}
		id := l.enrol(softapp.EnrolOptions{})
		sum := sha256.Sum256(nil)
		if l.EnterPIN(id, string(sum[:]), "1") == nil || l.Behave(msisdn, person.Behaviour{Do: 99}) == nil ||
			l.Place(msisdn, person.Place{}) == nil || l.Run(l.t.Context()) == nil {
			t.Error("no error")
		}
	})
	for _, base := range []string{"", "x", "http://example.org/app/v2", "ftp://localhost/", "https:///app", "https://u:p@h/", "https://h/?q", "https://h/#f", "http://10.0.0.1/"} {
		if _, err := softapp.New(softapp.Config{Base: base}); err == nil {
			t.Errorf("base %q", base)
		}
	}
	for _, base := range []string{"https://example.org/app/v2", "http://127.0.0.1:80/app/v2/", "http://[::1]/"} {
		if _, err := softapp.New(softapp.Config{Base: base}); err != nil {
			t.Error(err)
		}
	}
}

// An invalid answer to an enrolment makes no App.
func TestAppEnrolAnswers(t *testing.T) {
	t.Parallel()
	another := (&fakeService{t: t}).certify(&testkit.ECKey(t).PublicKey)
	for name, spoil := range map[string]func(a object){
		"no device":       func(a object) { delete(a, "device") },
		"no number":       func(a object) { a["msisdn"] = "" },
		"no certificate":  func(a object) { a["certificates"] = []string{} },
		"no DER":          func(a object) { a["certificates"] = []string{"AAAA"} },
		"no Base64url":    func(a object) { a["certificates"] = []string{"a+/="} },
		"another key":     func(a object) { a["certificates"] = []string{another} },
		"short challenge": func(a object) { a["challenge"] = "AAAA" },
		"short share":     func(a object) { a["share"] = "AAAA" },
		"no service":      func(a object) { delete(a, "service") },
		"no enrolment":    func(a object) { a["enrolment"] = "" },
	} {
		inBubble(t, plain, func(l *appLab) {
			l.service.set(func() { l.service.codes["c"], l.service.spoil = msisdn, spoil })
			if info, err := l.Enrol(l.t.Context(), "c", softapp.EnrolOptions{}); err == nil {
				t.Errorf("%s: %+v", name, info)
			}
			if l.wait(time.Second); len(l.List()) != 0 || l.Connected() != 0 {
				t.Errorf("%s: there is an App", name)
			}
		})
	}
}

// An enrolment ends with its context.
func TestAppEnrolGivenUp(t *testing.T) {
	t.Parallel()
	inBubble(t, plain, func(l *appLab) {
		l.service.set(func() { l.service.fail["enrol/begin"] = 1000 })
		ctx, cancel := context.WithTimeout(l.t.Context(), 2*time.Second)
		defer cancel()
		start := time.Now()
		if _, err := l.Enrol(ctx, "c", softapp.EnrolOptions{}); err == nil || time.Since(start) != 2*time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
	})
}

// Close waits for calls in progress and repeats none.
func TestAppsClose(t *testing.T) {
	t.Parallel()
	inBubble(t, softapp.Config{FastKDF: true}, func(l *appLab) {
		id := l.enrol(softapp.EnrolOptions{})
		l.service.set(func() { l.service.fail["answer"] = 1000 })
		l.service.ask(id, l.service.toSign("h1", "a"))
		l.wait(10 * time.Second)
		n, start := len(l.answers()), time.Now()
		l.Close()
		l.Close()
		if time.Since(start) != 0 || len(l.answers()) != n {
			t.Errorf("%s, %d calls more", time.Since(start), len(l.answers())-n)
		}
	})
}
