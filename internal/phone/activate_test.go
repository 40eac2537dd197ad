package phone_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/phone"
)

// proven reports whether the answer has a key and the proof of it.
func proven(t testing.TB, a mssp.DeviceAnswer) bool {
	t.Helper()
	key, err := x509.ParsePKIXPublicKey(a.PublicKey)
	if err != nil {
		t.Fatalf("%+v: %v", a, err)
	}
	sum := sha256.Sum256(mssp.ActivationProof(a.TransID, a.PublicKey))
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(k, sum[:], a.Proof)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], a.Proof) == nil
	}
	return false
}

func blank(t testing.TB, keys phone.KeyStore, observe func(phone.Event)) *phone.Device {
	t.Helper()
	d, err := phone.NewDevice(phone.DeviceSpec{ID: "blank", MSISDN: msisdn, Method: signum.SIM, PIN: "4711", Blank: true},
		phone.Config{Keys: keys, Observe: observe})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestActivation(t *testing.T) {
	for _, kt := range []signum.KeyType{signum.EC, signum.RSA} {
		t.Run(string(kt), func(t *testing.T) {
			keys, diary := phone.NewMemoryKeys(), &diary{}
			d := blank(t, keys, diary.note)
			if d.PublicKey() != nil || d.KeyType() != signum.EC {
				t.Errorf("a blank card with key %v, %s", d.PublicKey(), d.KeyType())
			}
			if got := d.Receive(request(d, "t0", "a")); got.Asked || code(got.Answers[0]) != signum.NoKeyFound {
				t.Fatalf("blank: %+v", got)
			}
			r := activation(d, "t1")
			r.KeyType = kt
			if got := d.Receive(r); !got.Asked {
				t.Fatalf("%+v", got)
			}
			if got := d.Receive(r); got.Asked || len(got.Answers) != 0 {
				t.Fatalf("again: %+v", got)
			}
			for _, pins := range [][2]string{{"1234", "1235"}, {"123", "123"}, {"123456789", "123456789"}, {"12a4", "12a4"}, {"", ""}} {
				var e *phone.NewPINError
				if _, err := d.SetPIN("t1", pins[0], pins[1]); !errors.As(err, &e) || e.Differ != (pins[0] != pins[1]) {
					t.Errorf("%q: %v", pins, err)
				}
				if s, ok := d.Shown(); !ok || s.Op != mssp.OpActivate || d.PublicKey() != nil {
					t.Fatalf("%q: %+v, %t", pins, s, ok)
				}
			}
			_, pinErr := d.EnterPIN("t1", "4711")
			_, okErr := d.Acknowledge("t1")
			_, otherErr := d.SetPIN("t0", "8642", "8642")
			for _, err := range []error{pinErr, okErr, otherErr} {
				if !errors.Is(err, phone.ErrNotShown) {
					t.Errorf("another operation: %v", err)
				}
			}
			a, err := d.SetPIN("t1", "8642", "8642")
			if err != nil || a.Op != mssp.OpActivate || a.DeviceID != "blank" || a.Fault != nil || !proven(t, a) {
				t.Fatalf("%+v, %v", a, err)
			}
			if k, err := x509.MarshalPKIXPublicKey(d.PublicKey()); err != nil || !bytes.Equal(k, a.PublicKey) || d.KeyType() != kt {
				t.Errorf("the device has another key, or %v", err)
			}
			if got := d.Receive(r); len(got.Answers) != 1 || !bytes.Equal(got.Answers[0].Proof, a.Proof) {
				t.Errorf("repeated: %+v", got)
			}

			s := request(d, "t1", "a") // the same transaction goes on
			if got := d.Receive(s); !got.Asked {
				t.Fatalf("%+v", got)
			}
			var wrong *phone.PINError
			if _, err := d.EnterPIN("t1", "4711"); !errors.As(err, &wrong) {
				t.Errorf("the old PIN: %v", err)
			}
			if a, err := d.EnterPIN("t1", "8642"); err != nil || !verify(t, d, s.SignedAttrs, a.Signature) {
				t.Errorf("%+v, %v", a, err)
			}

			// A restart: the key is there, the PIN is that of the spec.
			again := blank(t, keys, nil)
			if got := again.Receive(request(again, "t2", "a")); !got.Asked || again.KeyType() != kt {
				t.Fatalf("%+v, %s", got, again.KeyType())
			}
			if a, err := again.EnterPIN("t2", "4711"); err != nil || !verify(t, d, s.SignedAttrs, a.Signature) {
				t.Errorf("%+v, %v", a, err)
			}
			again.Receive(r) // it knows nothing of it
			if b, err := again.SetPIN("t1", "97531", "97531"); err != nil || !bytes.Equal(b.PublicKey, a.PublicKey) || !proven(t, b) {
				t.Errorf("%+v, %v", b, err)
			}

			for _, e := range diary.all() {
				if strings.Contains(e.Reason, "8642") || e.TransID == "t1" && e.Kind == phone.PINSet && e.Op != mssp.OpActivate {
					t.Errorf("%+v", e)
				}
			}
			want := []phone.Kind{
				phone.Refused, phone.Shown, phone.PINRejected, phone.PINRejected, phone.PINRejected, phone.PINRejected,
				phone.PINRejected, phone.PINSet, phone.Shown, phone.PINWrong, phone.PINRight, phone.Signed,
			}
			if got := diary.kinds(); !slices.Equal(got, want) {
				t.Errorf("events %q", got)
			}
		})
	}
}

func TestActivationRefused(t *testing.T) {
	l := newLab(t, signum.EC, 0)
	tests := map[string]struct {
		d      *phone.Device
		change func(*mssp.DeviceRequest)
		reason string
	}{
		"app":        {l.app, func(*mssp.DeviceRequest) {}, "only a SIM"},
		"other key":  {l.sim, func(r *mssp.DeviceRequest) { r.KeyType = signum.RSA }, "EC, RSA is wanted"},
		"no key":     {l.sim, func(r *mssp.DeviceRequest) { r.KeyType = "" }, "no key type"},
		"called":     {l.sim, func(r *mssp.DeviceRequest) { *r = calledBy(*r, "x") }, "called"},
		"unknown op": {l.sim, func(r *mssp.DeviceRequest) { r.Op = 9 }, "no operation"},
	}
	for name, tc := range tests {
		r := activation(tc.d, name)
		tc.change(&r)
		got := tc.d.Receive(r)
		if got.Asked || len(got.Answers) != 1 || code(got.Answers[0]) != signum.InternalError || got.Answers[0].Op != r.Op {
			t.Errorf("%s: %+v", name, got)
		}
		events := l.diary.all()
		if e := events[len(events)-1]; e.Kind != phone.Refused || !strings.Contains(e.Reason, tc.reason) {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

// A card that has a key keeps it; a blocked PIN is no longer blocked.
func TestReactivation(t *testing.T) {
	l := newLab(t, signum.EC, 0)
	l.sim.Receive(request(l.sim, "t1", "a"))
	for range phone.MaxTries {
		_, _ = l.sim.EnterPIN("t1", "0000")
	}
	if got := l.sim.Receive(activation(l.sim, "t2")); l.sim.TriesLeft() != 0 || !got.Asked {
		t.Fatalf("%+v", got)
	}
	before := l.sim.PublicKey()
	a, err := l.sim.SetPIN("t2", "8642", "8642")
	if err != nil || !proven(t, a) || l.sim.TriesLeft() != phone.MaxTries {
		t.Fatalf("%+v, %v", a, err)
	}
	if !l.sim.PublicKey().(interface{ Equal(crypto.PublicKey) bool }).Equal(before) {
		t.Error("another key")
	}
	if n, err := l.keys.TriesLeft("sim"); n != phone.MaxTries || err != nil {
		t.Error(n, err)
	}
	l.sim.Receive(activation(l.sim, "t3"))
	if a, err := l.sim.Cancel("t3"); err != nil || code(a) != signum.UserCancel || a.Op != mssp.OpActivate {
		t.Errorf("%+v, %v", a, err)
	}
}

type readOnly struct{ *phone.MemoryKeys }

func (readOnly) PutKey(string, crypto.Signer) error { return errors.New("the disk is full") }

func TestActivatedKeyCannotBeKept(t *testing.T) {
	diary := &diary{}
	d := blank(t, readOnly{phone.NewMemoryKeys()}, diary.note)
	d.Receive(activation(d, "t1"))
	a, err := d.SetPIN("t1", "8642", "8642")
	if err != nil || code(a) != signum.InternalError || d.PublicKey() != nil {
		t.Fatalf("%+v, %v", a, err)
	}
	if e := diary.all()[1]; e.Kind != phone.Refused || !strings.Contains(e.Reason, "disk") {
		t.Errorf("%+v", e)
	}
	if _, ok := d.Shown(); ok {
		t.Error("still shown")
	}
}

func TestBlankSpec(t *testing.T) {
	if _, err := phone.NewDevice(phone.DeviceSpec{ID: "d", MSISDN: msisdn, Method: signum.App, Blank: true}, phone.Config{}); err == nil {
		t.Error("a blank app")
	}
	keys := newCountingKeys()
	if err := keys.PutKey("blank", rsaKey); err != nil {
		t.Fatal(err)
	}
	if d := blank(t, keys, nil); d.KeyType() != signum.RSA {
		t.Errorf("%s", d)
	}
}

// A network that starts again on the same files, in the midst of an
// activation or after it.
func TestActivationAcrossRestart(t *testing.T) {
	dir := t.TempDir()
	var key []byte
	for start := range 3 {
		n := phone.New(phone.Config{Keys: openKeys(t, dir)})
		m := &answers{}
		n.Connect(m)
		d, err := n.Add(phone.DeviceSpec{ID: "blank", MSISDN: msisdn, Method: signum.SIM, Blank: true})
		if err != nil {
			t.Fatal(err)
		}
		if (d.PublicKey() == nil) != (start < 2) {
			t.Errorf("start %d: key %v", start, d.PublicKey())
		}
		if start == 0 {
			if err := n.Behave(msisdn, phone.Behaviour{Do: phone.Silent}); err != nil {
				t.Fatal(err)
			}
		}
		if err := n.Send(t.Context(), activation(d, "t1")); err != nil {
			t.Fatal(err)
		}
		n.Close()
		if start == 0 {
			if got := m.got(); len(got) != 0 {
				t.Errorf("%+v", got)
			}
			continue
		}
		a := m.only(t)
		if !proven(t, a) || key != nil && !bytes.Equal(a.PublicKey, key) {
			t.Errorf("start %d: %+v", start, a)
		}
		key = a.PublicKey
	}
}

// What persons do when they are asked for a new PIN.
func TestBehavioursToActivation(t *testing.T) {
	const delay = 200 * time.Millisecond
	type test struct {
		do     phone.Action
		code   signum.Code
		proof  bool // a good one
		events []phone.Kind
		none   bool
	}
	set := []phone.Kind{phone.Shown, phone.PINSet}
	tests := []test{
		{do: phone.Approve, proof: true, events: set},
		{do: phone.Blocked, proof: true, events: set},
		{do: phone.NoKey, proof: true, events: set},
		{do: phone.BadSignature, events: set},
		{do: phone.Cancel, code: signum.UserCancel, events: []phone.Kind{phone.Shown, phone.Cancelled}},
		{do: phone.WrongPIN, code: signum.UserCancel, events: []phone.Kind{phone.Shown, phone.PINRejected, phone.PINRejected, phone.PINRejected, phone.Cancelled}},
		{do: phone.Silent, none: true, events: []phone.Kind{phone.Shown}},
		{do: phone.Unreachable, none: true, events: []phone.Kind{phone.Undelivered}},
	}
	if len(tests) != len(phone.Actions()) {
		t.Error("not all actions")
	}
	for _, tc := range tests {
		t.Run(tc.do.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, signum.EC, delay)
				d := l.add(t, phone.DeviceSpec{ID: "blank", MSISDN: msisdn, Method: signum.SIM, PIN: "4711", Blank: true})
				l.behave(t, phone.Behaviour{Do: tc.do})
				err := l.Send(t.Context(), activation(d, "t1"))
				if (err != nil) != (tc.do == phone.Unreachable) {
					t.Fatal(err)
				}
				time.Sleep(30 * time.Second)
				synctest.Wait()
				if got := l.diary.kinds(); !slices.Equal(got, tc.events) {
					t.Errorf("events %q, want %q", got, tc.events)
				}
				if tc.none {
					if got := l.mssp.got(); len(got) != 0 {
						t.Errorf("%+v", got)
					}
					return
				}
				a := l.mssp.only(t)
				if code(a) != tc.code || a.Op != mssp.OpActivate {
					t.Fatalf("%+v, want code %d", a, tc.code)
				}
				if tc.code == 0 && proven(t, a) != tc.proof {
					t.Errorf("proof good: %t", !tc.proof)
				}
				if tc.do != phone.Approve {
					return
				}
				// The person knows what they chose.
				l.send(t, request(d, "t1", "a"))
				time.Sleep(time.Second)
				if got := l.mssp.got(); len(got) != 2 || got[1].Signature == nil {
					t.Errorf("%+v", got)
				}
				l.behave(t, phone.Behaviour{Do: phone.Silent})
				l.send(t, activation(d, "t2"))
				if err := l.SetPIN("blank", "t2", "97531", "97531"); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
