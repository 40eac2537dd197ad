package phone_test

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/phone"
)

func authURI(token string) string {
	return "mobileid://auth?mobile_auth_redirect_uri=bank%3A%2F%2Fback&session_token=" + url.QueryEscape(token) + "&user_id=%2B41790000000"
}

func TestOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const token = "a+b/c= ä"
		l := newLab(t, signum.EC, time.Second)
		r := calledBy(request(l.app, "t1", "a"), token)
		l.send(t, r)
		l.send(t, r)
		time.Sleep(10 * time.Second)
		if s, ok := l.app.Shown(); ok {
			t.Fatalf("%+v", s)
		}
		for _, err := range []error{l.EnterPIN("app", "t1", "pass phrase"), l.Decline("app", "t1")} {
			if !errors.Is(err, phone.ErrNotShown) {
				t.Error(err)
			}
		}
		if got := l.diary.kinds(); !slices.Equal(got, []phone.Kind{phone.Waiting}) {
			t.Errorf("%q", got)
		}
		for _, uri := range []string{
			"", "mobileid://auth", authURI(""), authURI("other"), authURI(token + "x"), authURI(r.App2App.TokenHash),
			authURI(token) + "&session_token=x", "mobileid://auth?session_token=%zz", strings.Replace(authURI(token), "?", "#", 1),
		} {
			if back, err := l.Open(uri); !errors.Is(err, phone.ErrNotWaiting) || back != "" || strings.Contains(err.Error(), "mobileid") {
				t.Errorf("%q: %q, %v", uri, back, err)
			}
		}
		back, err := l.Open(authURI(token))
		if err != nil || back != "bank://back/"+token {
			t.Fatalf("%q, %v", back, err)
		}
		if s, ok := l.app.Shown(); !ok || s.TransID != "t1" || !s.Since.Equal(time.Now()) {
			t.Errorf("%+v, %t", s, ok)
		}
		if _, err := l.Open(authURI(token)); !errors.Is(err, phone.ErrNotWaiting) {
			t.Error(err)
		}
		l.send(t, r)
		time.Sleep(time.Second)
		synctest.Wait()
		if a := l.mssp.only(t); a.Signature == nil {
			t.Errorf("%+v", a)
		}
		want := []phone.Kind{phone.Waiting, phone.Opened, phone.Shown, phone.PINRight, phone.Signed}
		if got := l.diary.kinds(); !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
	})
}

// The person behaves as they do when the AuthUri is opened.
func TestBehavioursToOpening(t *testing.T) {
	codes := map[phone.Action]signum.Code{
		phone.Approve: 0, phone.BadSignature: 0, phone.Cancel: signum.UserCancel, phone.WrongPIN: signum.PINBlocked,
		phone.Blocked: signum.PINBlocked, phone.NoKey: signum.NoKeyFound,
	}
	for _, do := range phone.Actions() {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, signum.EC, 0)
			l.send(t, calledBy(request(l.app, "t1", "a"), "x"))
			l.behave(t, phone.Behaviour{Do: do})
			if _, err := l.Open(authURI("x")); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			want, answers := codes[do]
			if got := l.mssp.got(); len(got) > 0 != answers || answers && code(got[0]) != want {
				t.Errorf("%s: %+v", do, got)
			}
		})
	}
}

func TestWaitingEnds(t *testing.T) {
	tests := map[string]struct {
		do   func(*testing.T, *lab)
		kind phone.Kind
		code signum.Code
	}{
		"withdrawn": {func(t *testing.T, l *lab) { l.Cancel(t.Context(), "app", "t1") }, phone.Withdrawn, 0},
		"expired":   {func(*testing.T, *lab) { time.Sleep(time.Minute) }, phone.Expired, 0},
		"replaced":  {func(t *testing.T, l *lab) { l.send(t, calledBy(request(l.app, "t2", "b"), "y")) }, phone.Replaced, signum.UserCancel},
	}
	for name, tc := range tests {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, signum.EC, 0)
			l.send(t, calledBy(request(l.app, "t1", "a"), "x"))
			tc.do(t, l)
			if _, err := l.Open(authURI("x")); !errors.Is(err, phone.ErrNotWaiting) {
				t.Errorf("%s: %v", name, err)
			}
			synctest.Wait()
			if got := l.diary.kinds(); got[1] != tc.kind || slices.Contains(got, phone.Shown) {
				t.Errorf("%s: %q", name, got)
			}
			if got := l.mssp.got(); tc.code == 0 && len(got) > 0 || tc.code != 0 && code(got[0]) != tc.code {
				t.Errorf("%s: %+v", name, got)
			}
		})
	}
}

// The token decides, among all phones; and it opens nothing that the phone
// would not show.
func TestOpenFindsThePhone(t *testing.T) {
	l := newLab(t, signum.EC, 0)
	l.behave(t, phone.Behaviour{Do: phone.Silent})
	other := l.add(t, phone.DeviceSpec{ID: "other", MSISDN: msisdn, Method: signum.App})
	l.send(t, calledBy(request(l.app, "t1", "a"), "x"))
	l.send(t, calledBy(request(other, "t2", "a"), "y"))
	if back, err := l.Open(authURI("y")); err != nil || back != "bank://back/y" {
		t.Fatal(back, err)
	}
	_, first := l.app.Shown()
	if _, second := other.Shown(); first || !second {
		t.Error(first, second)
	}
	if got := l.sim.Receive(calledBy(request(l.sim, "t3", "a"), "z")); code(got.Answers[0]) != signum.InternalError {
		t.Errorf("a SIM: %+v", got)
	}
	restarted := phone.New(phone.Config{Keys: l.keys})
	defer restarted.Close()
	restarted.Connect(l.mssp)
	d, err := restarted.Add(phone.DeviceSpec{ID: "app", MSISDN: msisdn, Method: signum.App})
	if err != nil {
		t.Fatal(err)
	}
	if err := restarted.Send(t.Context(), calledBy(request(d, "t1", "a"), "x")); err != nil {
		t.Fatal(err)
	}
	if _, err := restarted.Open(authURI("x")); err != nil {
		t.Error(err)
	}
	l.Close()
	if _, err := l.Open(authURI("x")); !errors.Is(err, phone.ErrNotWaiting) {
		t.Error(err)
	}
}

// An opening is checked as an arrival is.
func TestOpenChecksAgain(t *testing.T) {
	diary := &diary{}
	d, err := phone.NewDevice(phone.DeviceSpec{ID: "d", MSISDN: msisdn, Method: signum.App}, phone.Config{Observe: diary.note})
	if err != nil {
		t.Fatal(err)
	}
	r := calledBy(request(d, "t1", "a"), "x")
	if got := d.Receive(r); got.Asked {
		t.Fatalf("%+v", got)
	}
	copy(r.SignedAttrs, signedAttrs("b"))
	o, err := d.Open("x")
	if err != nil || o.Asked || code(o.Answers[0]) != signum.InternalError {
		t.Errorf("%+v, %v", o, err)
	}
	if got := diary.kinds(); !slices.Equal(got, []phone.Kind{phone.Waiting, phone.Opened, phone.Refused}) {
		t.Errorf("%q", got)
	}
}
