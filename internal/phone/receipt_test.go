package phone_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/phone"
)

func TestBehavioursToReceipt(t *testing.T) {
	const delay = 200 * time.Millisecond
	acknowledged := []phone.Kind{phone.Shown, phone.Acknowledged}
	timedOut := []phone.Kind{phone.Shown, phone.TimedOut}
	type test struct {
		do     phone.Behaviour
		result signum.ReceiptResult
		after  time.Duration
		events []phone.Kind
	}
	tests := []test{
		{phone.Behaviour{}, signum.ReceiptAccepted, delay, acknowledged},
		{phone.Behaviour{Do: phone.WrongPIN}, signum.ReceiptAccepted, delay, acknowledged},
		{phone.Behaviour{Do: phone.Blocked}, signum.ReceiptAccepted, delay, acknowledged},
		{phone.Behaviour{Do: phone.BadSignature}, signum.ReceiptAccepted, delay, acknowledged},
		{phone.Behaviour{Do: phone.NoKey}, signum.ReceiptAccepted, delay, acknowledged},
		{phone.Behaviour{Do: phone.Cancel}, signum.ReceiptCancelled, delay, []phone.Kind{phone.Shown, phone.Cancelled}},
		{phone.Behaviour{Do: phone.Silent}, signum.ReceiptTimedOut, signum.ReceiptShown, timedOut},
		{phone.Delayed(signum.ReceiptShown), signum.ReceiptAccepted, signum.ReceiptShown, acknowledged},
		{phone.Delayed(signum.ReceiptShown + time.Second), signum.ReceiptTimedOut, signum.ReceiptShown, timedOut},
		{phone.Behaviour{Do: phone.Cancel, After: time.Hour}, signum.ReceiptTimedOut, signum.ReceiptShown, timedOut},
		{phone.Behaviour{Do: phone.Unreachable}, "", 0, []phone.Kind{phone.Undelivered}},
	}
	for _, tc := range tests {
		for _, m := range []signum.Method{signum.SIM, signum.App} {
			t.Run(tc.do.String()+"/"+string(m), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := newLab(t, signum.EC, delay)
					d := l.device(m)
					l.behave(t, tc.do)
					r := receipt(d, "t1", "Thank you")
					start := time.Now()
					err := l.Send(t.Context(), r)
					if errors.Is(err, mssp.ErrUnreachable) != (tc.after == 0) {
						t.Fatal(err)
					}
					time.Sleep(2 * time.Hour)
					if got := l.diary.kinds(); !slices.Equal(got, tc.events) {
						t.Errorf("events %q, want %q", got, tc.events)
					}
					if tc.after == 0 {
						return
					}
					a := l.mssp.only(t)
					if a.Op != mssp.OpDisplay || a.TransID != "t1" || a.Receipt != tc.result || a.Fault != nil || a.Signature != nil {
						t.Errorf("%+v, want %q", a, tc.result)
					}
					if took := l.mssp.times[0].Sub(start); took != tc.after {
						t.Errorf("after %s, want %s", took, tc.after)
					}
				})
			})
		}
	}
}

// A card shows receipts whatever its PIN and key.
func TestReceiptNeedsNoKey(t *testing.T) {
	l := newLab(t, signum.EC, 0)
	l.sim.Receive(request(l.sim, "t1", "a"))
	for range phone.MaxTries {
		_, _ = l.sim.EnterPIN("t1", "0000")
	}
	for _, d := range []*phone.Device{l.sim, blank(t, phone.NewMemoryKeys(), nil)} {
		r := receipt(d, "t1", "Sorry")
		if got := d.Receive(r); !got.Asked {
			t.Fatalf("%+v", got)
		}
		if s, ok := d.Shown(); !ok || s.Op != mssp.OpDisplay || s.Text != "Sorry" {
			t.Errorf("%+v", s)
		}
		if _, err := d.EnterPIN("t1", phone.DefaultPIN); !errors.Is(err, phone.ErrNotShown) {
			t.Error(err)
		}
		if _, err := d.Acknowledge("t2"); !errors.Is(err, phone.ErrNotShown) {
			t.Error(err)
		}
		if a, err := d.Acknowledge("t1"); err != nil || a.Receipt != signum.ReceiptAccepted {
			t.Errorf("%+v, %v", a, err)
		}
		if got := d.Receive(r); got.Asked || len(got.Answers) != 1 || got.Answers[0].Receipt != signum.ReceiptAccepted {
			t.Errorf("repeated: %+v", got)
		}
	}
}

// One transaction asks for three things in turn; each is answered once, and
// each of them again when it is repeated.
func TestOperationsOfOneTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, signum.EC, 0)
		all := []mssp.DeviceRequest{activation(l.sim, "t1"), request(l.sim, "t1", "a"), receipt(l.sim, "t1", "b")}
		for range 2 {
			for _, r := range all {
				l.send(t, r)
				synctest.Wait()
			}
		}
		got := l.mssp.got()
		if len(got) != 6 || l.keys.signatures() != 2 {
			t.Fatalf("%d answers, %d signatures", len(got), l.keys.signatures())
		}
		for i, a := range got {
			if a.Op != all[i%3].Op || a.Fault != nil || !bytes.Equal(a.Signature, got[i%3].Signature) {
				t.Errorf("%+v", a)
			}
		}
		// A withdrawal holds for what has not come yet, and not for answers.
		l.Cancel(t.Context(), "sim", "t2")
		l.Cancel(t.Context(), "sim", "t1")
		for _, op := range []mssp.DeviceRequest{activation(l.sim, "t2"), request(l.sim, "t2", "a"), receipt(l.sim, "t2", "b"), all[1]} {
			l.send(t, op)
			synctest.Wait()
		}
		if got := l.mssp.got(); len(got) != 7 || got[6].TransID != "t1" || got[6].Op != mssp.OpSign {
			t.Errorf("%+v", got)
		}
	})
}

func TestWhoTakesThePlace(t *testing.T) {
	const (
		sign, display, called = "sign", "display", "called"
		refused               = "406"
		byFault               = "401"
		byReceipt             = "CANCEL"
	)
	tests := []struct {
		method   signum.Method
		old, new string
		want     string // the answer: to the new one if refused, else to the old one
	}{
		{signum.SIM, sign, display, refused},
		{signum.SIM, display, sign, refused},
		{signum.SIM, display, display, refused},
		{signum.App, sign, display, refused},
		{signum.App, called, display, refused},
		{signum.App, display, sign, byReceipt},
		{signum.App, display, called, byReceipt},
		{signum.App, display, display, byReceipt},
		{signum.App, called, sign, byFault},
		{signum.App, called, called, byFault},
		{signum.App, sign, called, byFault},
	}
	for _, tc := range tests {
		l := newLab(t, signum.EC, 0)
		d := l.device(tc.method)
		ask := func(kind, transID string) mssp.DeviceRequest {
			switch kind {
			case display:
				return receipt(d, transID, kind)
			case called:
				return calledBy(request(d, transID, kind), transID)
			}
			return request(d, transID, kind)
		}
		first := d.Receive(ask(tc.old, "old"))
		if first.Asked != (tc.old != called) || len(first.Answers) != 0 {
			t.Fatalf("%v: %+v", tc, first)
		}
		got := d.Receive(ask(tc.new, "new"))
		if len(got.Answers) != 1 {
			t.Fatalf("%v: %+v", tc, got)
		}
		a := got.Answers[0]
		answer := string(a.Receipt)
		if a.Fault != nil {
			answer = fmt.Sprint(int(a.Fault.Code))
		}
		from := "old"
		if tc.want == refused {
			from = "new"
		}
		if answer != tc.want || a.TransID != from || got.Asked != (from == "old" && tc.new != called) {
			t.Errorf("%v: %+v", tc, got)
		}
		if s, ok := d.Shown(); ok != (from == "old" && tc.new != called || from == "new" && tc.old != called) || ok && s.TransID == from && from == "old" {
			t.Errorf("%v: %+v, %t", tc, s, ok)
		}
	}
}

// Nothing fires after the end: an answer, a withdrawal, or Close.
func TestReceiptTimerEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, signum.EC, 0)
		l.behave(t, phone.Behaviour{Do: phone.Silent})
		l.send(t, receipt(l.app, "t1", "a"))
		time.Sleep(time.Second)
		if err := l.Acknowledge("app", "t1"); err != nil {
			t.Fatal(err)
		}
		l.send(t, receipt(l.app, "t2", "a"))
		l.Cancel(t.Context(), "app", "t2")
		short := receipt(l.app, "t3", "a")
		short.Expires = time.Now().Add(time.Second)
		l.send(t, short)
		time.Sleep(59 * time.Second)
		l.send(t, receipt(l.app, "t4", "a"))
		time.Sleep(59 * time.Second) // the timers of the others are over
		if s, ok := l.app.Shown(); !ok || s.TransID != "t4" {
			t.Errorf("%+v, %t", s, ok)
		}
		l.Close()
		time.Sleep(time.Hour)
		if a := l.mssp.only(t); a.TransID != "t1" || a.Receipt != signum.ReceiptAccepted {
			t.Errorf("%+v", a)
		}
		if slices.Contains(l.diary.kinds(), phone.TimedOut) {
			t.Errorf("%q", l.diary.kinds())
		}
	})
}

// sealed is made apart from crypto/rsa, which the card decrypts with.
func sealed(t testing.TB, key *rsa.PublicKey, text []byte) string {
	t.Helper()
	em := make([]byte, key.Size())
	if _, err := rand.Read(em); err != nil {
		t.Fatal(err)
	}
	for i := range em {
		em[i] |= 1 // padding has no zero
	}
	em[0], em[1], em[len(em)-len(text)-1] = 0, 2, 0
	copy(em[len(em)-len(text):], text)
	c := new(big.Int).Exp(new(big.Int).SetBytes(em), big.NewInt(int64(key.E)), key.N)
	return base64.StdEncoding.EncodeToString(c.FillBytes(make([]byte, key.Size())))
}

func TestEncryptedReceipt(t *testing.T) {
	l := newLab(t, signum.RSA, 0)
	ec, err := l.Add(phone.DeviceSpec{ID: "ec", MSISDN: msisdn, Method: signum.SIM})
	if err != nil {
		t.Fatal(err)
	}
	bare := l.add(t, phone.DeviceSpec{ID: "bare", MSISDN: msisdn, Method: signum.SIM, KeyType: signum.RSA, Blank: true})
	good := sealed(t, &rsaKey.PublicKey, []byte("Thank you!"))
	other := "A" // than what it begins with, which is random
	if good[0] == 'A' {
		other = "B"
	}
	tests := map[string]struct {
		d      *phone.Device
		text   string
		want   string // empty: refused
		reason string
	}{
		"ASCII":        {d: l.sim, text: good, want: "Thank you!"},
		"lines":        {d: l.sim, text: good[:76] + "\n" + good[76:], want: "Thank you!"},
		"GSM":          {d: l.sim, text: sealed(t, &rsaKey.PublicKey, []byte("Gr\x7e\x1e \x00\x1b\x65")), want: "Grüß @€"},
		"UCS-2":        {d: l.sim, text: sealed(t, &rsaKey.PublicKey, []byte("\x80\x00G\x01\x5b\x20\xac")), want: "Gś€"},
		"longest":      {d: l.sim, text: sealed(t, &rsaKey.PublicKey, bytes.Repeat([]byte("a"), 245)), want: strings.Repeat("a", 245)},
		"empty":        {d: l.sim, text: sealed(t, &rsaKey.PublicKey, nil), reason: "empty"},
		"no alphabet":  {d: l.sim, text: sealed(t, &rsaKey.PublicKey, []byte("\xff")), reason: "no septet"},
		"control":      {d: l.sim, text: sealed(t, &rsaKey.PublicKey, []byte("\x80\x00\x1b")), reason: "U+001B"},
		"no Base64":    {d: l.sim, text: "Thank you!", reason: "base64"},
		"one bit":      {d: l.sim, text: other + good[1:], reason: "decryption"},
		"short":        {d: l.sim, text: base64.StdEncoding.EncodeToString([]byte("abc")), reason: "decryption"},
		"another key":  {d: l.sim, text: sealed(t, &newRSA(t).PublicKey, []byte("a")), reason: "decryption"},
		"an app":       {d: l.app, text: good, reason: "needs a SIM"},
		"an EC key":    {d: ec, text: good, reason: "RSA key"},
		"a blank card": {d: bare, text: good, reason: "RSA key"},
	}
	for name, tc := range tests {
		r := receipt(tc.d, name, tc.text)
		r.MimeType = signum.MimeRSAMessage
		got := tc.d.Receive(r)
		events := l.diary.all()
		e := events[len(events)-1]
		if tc.want == "" {
			if got.Asked || code(got.Answers[0]) != signum.InternalError || e.Kind != phone.Refused || !strings.Contains(e.Reason, tc.reason) {
				t.Errorf("%s: %+v, %q", name, got, e.Reason)
			}
			continue
		}
		if s, ok := tc.d.Shown(); !ok || s.Text != tc.want || s.MimeType != signum.MimeRSAMessage || e.Text != tc.want {
			t.Errorf("%s: %+v, %+v, %+v", name, got, s, e)
		}
		if _, err := tc.d.Acknowledge(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func newRSA(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
