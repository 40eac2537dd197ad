package phone_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/phone"
)

// What is not the digest of the text is never signed, however the two came
// apart, and the text is not shown.
func TestDigestMismatchNeverSigns(t *testing.T) {
	good := signedAttrs("Bank: pay 10 CHF?")
	flipped := bytes.Clone(good)
	flipped[len(flipped)-1] ^= 1
	tests := map[string]struct {
		text  string
		attrs []byte
	}{
		"other text":         {"Bank: pay 10000 CHF?", good},
		"one bit":            {"Bank: pay 10 CHF?", flipped},
		"space added":        {"Bank: pay 10 CHF? ", good},
		"empty text":         {"", good},
		"no attributes":      {"Bank: pay 10 CHF?", nil},
		"not DER":            {"Bank: pay 10 CHF?", []byte("attributes")},
		"cut":                {"Bank: pay 10 CHF?", good[:len(good)-1]},
		"bytes after":        {"Bank: pay 10 CHF?", append(bytes.Clone(good), 0)},
		"no digest":          {"Bank: pay 10 CHF?", []byte{0x31, 0}},
		"digest of a digest": {"Bank: pay 10 CHF?", signedAttrs(string(good))},
	}
	for name, tc := range tests {
		for _, m := range []signum.Method{signum.SIM, signum.App} {
			for _, do := range phone.Actions() {
				t.Run(name+"/"+string(m)+"/"+do.String(), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						l := newLab(t, signum.EC, 0)
						l.behave(t, phone.Behaviour{Do: do})
						r := request(l.device(m), "t1", tc.text)
						r.SignedAttrs = tc.attrs
						_ = l.Send(t.Context(), r) // Unreachable fails
						synctest.Wait()
						if err := l.EnterPIN(r.DeviceID, "t1", phone.DefaultPIN); !errors.Is(err, phone.ErrNotShown) {
							t.Errorf("EnterPIN: %v", err)
						}
						if n := l.keys.signatures(); n != 0 {
							t.Errorf("%d signatures", n)
						}
						if slices.Contains(l.diary.kinds(), phone.Shown) {
							t.Error("the text was shown")
						}
						if do == phone.Approve {
							if a := l.mssp.only(t); code(a) != signum.InternalError || a.Fault.Detail != signum.InternalError.Detail() {
								t.Errorf("answer %+v", a)
							}
						}
					})
				})
			}
		}
	}
}

// The check before the text is shown is a courtesy; the one before the
// signature is the rule.
func TestAttributesChangedWhileShown(t *testing.T) {
	l := newLab(t, signum.EC, 0)
	r := request(l.sim, "t1", "a")
	if got := l.sim.Receive(r); !got.Asked {
		t.Fatalf("%+v", got)
	}
	copy(r.SignedAttrs, signedAttrs("b"))
	a, err := l.sim.EnterPIN("t1", phone.DefaultPIN)
	if err != nil || code(a) != signum.InternalError || a.Signature != nil || l.keys.signatures() != 0 {
		t.Fatalf("%+v, %v, %d signatures", a, err, l.keys.signatures())
	}
	if _, ok := l.sim.Shown(); ok {
		t.Error("still shown")
	}
}

func TestPIN(t *testing.T) {
	l := newLab(t, signum.EC, 0)
	ask := func(id string) {
		t.Helper()
		if got := l.sim.Receive(request(l.sim, id, "a")); !got.Asked {
			t.Fatalf("%+v", got)
		}
	}
	wrong := func(id, pin string, left int) {
		t.Helper()
		var e *phone.PINError
		if a, err := l.sim.EnterPIN(id, pin); !errors.As(err, &e) || e.TriesLeft != left {
			t.Fatalf("%+v, %v", a, err)
		}
	}
	ask("t1")
	wrong("t1", "", 2)
	wrong("t1", "1234567", 1)
	if a, err := l.sim.EnterPIN("t1", "123456"); err != nil || a.Signature == nil {
		t.Fatal(a, err) // the last try
	}
	ask("t2")
	wrong("t2", "12345", 2) // the counter was filled
	if _, err := l.sim.Cancel("t2"); err != nil {
		t.Fatal(err)
	}
	ask("t3")
	wrong("t3", "000000", 1) // and lasts from one request to the next
	if a, err := l.sim.EnterPIN("t3", "000000"); err != nil || code(a) != signum.PINBlocked {
		t.Fatal(a, err)
	}
	if _, err := l.sim.EnterPIN("t3", "123456"); !errors.Is(err, phone.ErrNotShown) {
		t.Fatal(err)
	}
	if got := l.sim.Receive(request(l.sim, "t4", "a")); got.Asked || code(got.Answers[0]) != signum.PINBlocked {
		t.Fatalf("%+v", got)
	}
	if l.app.TriesLeft() != 3 {
		t.Error("the app has a counter of its own")
	}
	l.sim.Unblock()
	ask("t5")
	if a, err := l.sim.EnterPIN("t5", "123456"); err != nil || a.Signature == nil {
		t.Fatal(a, err)
	}
}

func TestSIMIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, signum.EC, 0)
		l.behave(t, phone.Behaviour{Do: phone.Silent})
		l.send(t, request(l.sim, "t1", "first"))
		l.send(t, request(l.sim, "t2", "second"))
		synctest.Wait()
		if a := l.mssp.only(t); a.TransID != "t2" || code(a) != signum.PBSignatureProcess {
			t.Fatalf("%+v", a)
		}
		if s, ok := l.sim.Shown(); !ok || s.Text != "first" || s.Lang != "de" {
			t.Fatalf("%+v, %t", s, ok)
		}
		l.Cancel(t.Context(), "sim", "t1")
		l.send(t, request(l.sim, "t3", "third"))
		if s, ok := l.sim.Shown(); !ok || s.Text != "third" {
			t.Fatalf("%+v, %t", s, ok)
		}
	})
}

func TestAppShowsTheNewer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, signum.EC, time.Second)
		l.send(t, request(l.app, "t1", "first"))
		time.Sleep(500 * time.Millisecond)
		bad := request(l.app, "t0", "bad")
		bad.SignedAttrs = signedAttrs("else")
		l.send(t, bad) // which replaces nothing
		l.send(t, request(l.app, "t2", "second"))
		if s, ok := l.app.Shown(); !ok || s.Text != "second" || !s.Since.Equal(time.Now()) {
			t.Fatalf("%+v, %t", s, ok)
		}
		l.send(t, request(l.app, "t1", "first")) // not again
		time.Sleep(time.Minute)
		answers := make(map[string]signum.Code)
		for _, a := range l.mssp.got() {
			answers[a.TransID] = code(a)
		}
		if len(answers) != 3 || answers["t0"] != signum.InternalError || answers["t1"] != signum.UserCancel || answers["t2"] != 0 {
			t.Fatalf("%v", answers)
		}
		want := []phone.Kind{phone.Shown, phone.Refused, phone.Replaced, phone.Shown, phone.PINRight, phone.Signed}
		if got := l.diary.kinds(); !slices.Equal(got, want) {
			t.Errorf("events %q, want %q", got, want)
		}
	})
}

func TestOtherKindOfKey(t *testing.T) {
	l := newLab(t, signum.EC, 0)
	r := request(l.sim, "t1", "a")
	r.KeyType = signum.RSA
	if got := l.sim.Receive(r); got.Asked || code(got.Answers[0]) != signum.NoKeyFound {
		t.Fatalf("%+v", got)
	}
}

func TestSpec(t *testing.T) {
	ok := phone.DeviceSpec{ID: "d", MSISDN: msisdn, Method: signum.SIM, PIN: "86420864"}
	tests := map[string]func(*phone.DeviceSpec){
		"no ID":         func(s *phone.DeviceSpec) { s.ID = "" },
		"no MSISDN":     func(s *phone.DeviceSpec) { s.MSISDN = "" },
		"no method":     func(s *phone.DeviceSpec) { s.Method = "" },
		"other method":  func(s *phone.DeviceSpec) { s.Method = "SMS" },
		"other key":     func(s *phone.DeviceSpec) { s.KeyType = "DSA" },
		"PIN short":     func(s *phone.DeviceSpec) { s.PIN = "864" },
		"PIN long":      func(s *phone.DeviceSpec) { s.PIN = "864208642" },
		"PIN no number": func(s *phone.DeviceSpec) { s.PIN = "8642a" },
		"passcode long": func(s *phone.DeviceSpec) { s.Method = signum.App; s.PIN = strings.Repeat("8642", 17) },
	}
	for name, change := range tests {
		s := ok
		change(&s)
		_, err := phone.NewDevice(s, phone.Config{})
		if err == nil {
			t.Errorf("%s: no error", name)
		} else if strings.Contains(err.Error(), "864") {
			t.Errorf("%s: the error tells the PIN: %v", name, err)
		}
	}
	d, err := phone.NewDevice(ok, phone.Config{})
	if err != nil || d.KeyType() != signum.EC {
		t.Fatal(d, err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("text", "spec", ok, "pointer", &ok, "device", d)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("json", "spec", ok, "pointer", &ok, "device", d)
	fmt.Fprintf(&log, "%v %+v %#v %s %v %+v %#v", ok, ok, ok, &ok, d, d, d)
	if strings.Contains(log.String(), ok.PIN) {
		t.Errorf("the PIN is printed: %s", log.String())
	}
	n := phone.New(phone.Config{})
	defer n.Close()
	if _, err := n.Add(ok); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Add(ok); err == nil {
		t.Error("the same device twice")
	}
}

// No PIN, no key and no whole number reaches the log.
func TestLogKeepsSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		m := &answers{refuse: 1000}
		n := phone.New(phone.Config{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
		n.Connect(m)
		d, err := n.Add(phone.DeviceSpec{ID: "d", MSISDN: msisdn, Method: signum.SIM, PIN: "97531"})
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range phone.Actions() {
			if err := n.Behave(msisdn, phone.Behaviour{Do: a}); err != nil {
				t.Fatal(err)
			}
			r := request(d, a.String(), "text")
			if i%2 == 0 {
				r.SignedAttrs = nil
			}
			_ = n.Send(t.Context(), r)
			time.Sleep(time.Minute)
			d.Unblock()
		}
		n.Close()
		if log.Len() == 0 {
			t.Error("nothing was logged")
		}
		for _, secret := range []string{"97531", "07531", msisdn, msisdn[3:]} {
			if strings.Contains(log.String(), secret) {
				t.Errorf("%s is in the log:\n%s", secret, log.String())
			}
		}
	})
}
