package phone_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/phone"
)

// Each action, by each method, with each kind of key.
func TestBehaviours(t *testing.T) {
	const delay = 200 * time.Millisecond
	shown := []phone.Kind{phone.Shown}
	signed := []phone.Kind{phone.Shown, phone.PINRight, phone.Signed}
	type test struct {
		do       phone.Behaviour
		code     signum.Code // of the fault; 0: a signature
		valid    bool
		after    time.Duration // of the answer; 0: none
		events   []phone.Kind
		sendFail bool
		tries    int
	}
	tests := []test{
		{do: phone.Behaviour{}, valid: true, after: delay, events: signed, tries: 3},
		{do: phone.Delayed(5 * time.Second), valid: true, after: 5 * time.Second, events: signed, tries: 3},
		{do: phone.Behaviour{Do: phone.Cancel}, code: signum.UserCancel, after: delay, events: []phone.Kind{phone.Shown, phone.Cancelled}, tries: 3},
		{do: phone.Behaviour{Do: phone.Cancel, After: time.Second}, code: signum.UserCancel, after: time.Second, events: []phone.Kind{phone.Shown, phone.Cancelled}, tries: 3},
		{do: phone.Behaviour{Do: phone.WrongPIN}, code: signum.PINBlocked, after: delay, events: []phone.Kind{phone.Shown, phone.PINWrong, phone.PINWrong, phone.PINWrong}, tries: 0},
		{do: phone.Behaviour{Do: phone.Blocked}, code: signum.PINBlocked, after: delay, events: []phone.Kind{phone.Refused}, tries: 3},
		{do: phone.Behaviour{Do: phone.Silent}, events: shown, tries: 3},
		{do: phone.Behaviour{Do: phone.BadSignature}, after: delay, events: signed, tries: 3},
		{do: phone.Behaviour{Do: phone.Unreachable}, sendFail: true, events: []phone.Kind{phone.Undelivered}, tries: 3},
		{do: phone.Behaviour{Do: phone.NoKey}, code: signum.NoKeyFound, after: delay, events: []phone.Kind{phone.Refused}, tries: 3},
	}
	for _, a := range phone.Actions() {
		if !slices.ContainsFunc(tests, func(tc test) bool { return tc.do.Do == a }) {
			t.Errorf("no test of %s", a)
		}
	}
	for _, tc := range tests {
		for _, m := range []signum.Method{signum.SIM, signum.App} {
			for _, kt := range []signum.KeyType{signum.EC, signum.RSA} {
				t.Run(tc.do.String()+"/"+string(m)+"/"+string(kt), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						l := newLab(t, kt, delay)
						d := l.device(m)
						l.behave(t, tc.do)
						r := request(d, "t1", "Bank: log in?")
						start := time.Now()
						err := l.Send(t.Context(), r)
						if (err != nil) != tc.sendFail {
							t.Fatalf("Send: %v", err)
						}
						if tc.sendFail && !errors.Is(err, mssp.ErrUnreachable) {
							t.Errorf("Send: %v, want ErrUnreachable in it", err)
						}
						time.Sleep(30 * time.Second)
						synctest.Wait()
						if got := l.diary.kinds(); !slices.Equal(got, tc.events) {
							t.Errorf("events %q, want %q", got, tc.events)
						}
						if d.TriesLeft() != tc.tries {
							t.Errorf("%d tries left, want %d", d.TriesLeft(), tc.tries)
						}
						if tc.after == 0 {
							if got := l.mssp.got(); len(got) != 0 {
								t.Fatalf("answers: %+v, want none", got)
							}
							return
						}
						a := l.mssp.only(t)
						if a.TransID != "t1" || a.DeviceID != d.ID() {
							t.Errorf("answer for %s of %s", a.TransID, a.DeviceID)
						}
						if took := l.mssp.times[0].Sub(start); took != tc.after {
							t.Errorf("answered after %s, want %s", took, tc.after)
						}
						if (a.Fault != nil) == (a.Signature != nil) || code(a) != tc.code {
							t.Fatalf("fault %v and %d bytes of signature, want code %d", a.Fault, len(a.Signature), tc.code)
						}
						if tc.code == 0 && verify(t, d, r.SignedAttrs, a.Signature) != tc.valid {
							t.Errorf("signature valid: %t, want %t", !tc.valid, tc.valid)
						}
					})
				})
			}
		}
	}
}

func TestBehaviourOfOneMethod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, signum.EC, 0)
		l.behave(t, phone.Behaviour{Do: phone.Cancel}, signum.App)
		l.send(t, request(l.sim, "t1", "a"))
		synctest.Wait()
		l.send(t, request(l.app, "t2", "b"))
		synctest.Wait()
		got := l.mssp.got()
		if len(got) != 2 || code(got[0]) != 0 || code(got[1]) != signum.UserCancel {
			t.Fatalf("answers %+v", got)
		}
		l.behave(t, phone.Behaviour{}) // both again
		l.send(t, request(l.app, "t3", "c"))
		synctest.Wait()
		if got := l.mssp.got(); len(got) != 3 || code(got[2]) != 0 {
			t.Fatalf("answers %+v", got)
		}
	})
}

// A request keeps the behaviour that was set when it came.
func TestBehaviourOfPendingStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, signum.EC, time.Second)
		l.send(t, request(l.sim, "t1", "a"))
		l.behave(t, phone.Behaviour{Do: phone.Unreachable})
		l.send(t, request(l.sim, "t1", "a")) // reached before: no error now
		time.Sleep(time.Minute)
		if a := l.mssp.only(t); a.Fault != nil {
			t.Fatal(a.Fault)
		}
	})
}

func TestParseBehaviour(t *testing.T) {
	for _, a := range phone.Actions() {
		for _, b := range []phone.Behaviour{{Do: a}, {Do: a, After: 1500 * time.Millisecond}} {
			if got, err := phone.ParseBehaviour(b.String()); err != nil || got != b {
				t.Errorf("%q: %v, %v", b, got, err)
			}
		}
	}
	for _, s := range []string{"", "approved", "approve:", "approve:5", "approve:-5s", "APPROVE", "cancel:1s:2s"} {
		if b, err := phone.ParseBehaviour(s); err == nil {
			t.Errorf("%q: %v, want an error", s, b)
		}
	}
	n := phone.New(phone.Config{})
	defer n.Close()
	if _, err := n.Add(phone.DeviceSpec{ID: "d", MSISDN: msisdn, Method: signum.SIM}); err != nil {
		t.Fatal(err)
	}
	for _, b := range []phone.Behaviour{{Do: 200}, {After: -1}} {
		if err := n.Behave(msisdn, b); err == nil {
			t.Errorf("%v was taken", b)
		}
	}
	if err := n.Behave("+41790000000", phone.Behaviour{}); !errors.Is(err, phone.ErrUnknown) {
		t.Errorf("unknown subscriber: %v", err)
	}
}

func FuzzParseBehaviour(f *testing.F) {
	f.Add("approve")
	f.Add("wrong-pin:2h45m0.5s")
	f.Fuzz(func(t *testing.T, s string) {
		b, err := phone.ParseBehaviour(s)
		if err != nil {
			return
		}
		if again, err := phone.ParseBehaviour(b.String()); err != nil || again != b {
			t.Fatalf("%q is %v, then %v, %v", s, b, again, err)
		}
	})
}
