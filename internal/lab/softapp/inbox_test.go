package softapp_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/softapp"
)

// A request is shown and answered once, however often and on however many
// connections it arrives.
func TestAppDuplicates(t *testing.T) {
	t.Parallel()
	inBubble(t, softapp.Config{FastKDF: true, Delay: 20 * time.Second}, func(l *appLab) {
		id := l.enrol(softapp.EnrolOptions{})
		r := l.service.toSign("h1", "a")
		l.service.ask(id, r)
		for range 3 {
			l.service.tell(id, object{"type": "request", "request": r})
			l.service.tell(id, object{"type": "sync", "requests": []object{r, r}})
			l.service.drop(id)
			l.wait(5 * time.Second)
		}
		if n := len(l.service.heard(id, "shown")); n < 4 {
			t.Errorf("the service heard %d times that it is on the screen, over four connections", n)
		}
		l.wait(5 * time.Second)
		want := []person.Kind{person.Shown, person.PINRight, person.Signed}
		if got := softapp.Kinds(&l.diary); !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
		if got := l.answers(); len(got) != 1 {
			t.Errorf("%v", got)
		}
		// A repeated request gets the same answer again: the first may be lost.
		first := l.answers()[0]
		l.service.ask(id, r)
		l.wait(21 * time.Second)
		got := l.answers()
		if len(got) != 2 || !sameObject(got[0], got[1]) || !sameObject(first, got[1]) || len(softapp.Kinds(&l.diary)) != 3 {
			t.Errorf("%v, %q", got, softapp.Kinds(&l.diary))
		}
	})
}

// Frames that arrive out of order or late change nothing.
func TestAppReordering(t *testing.T) {
	t.Parallel()
	inBubble(t, plain, func(l *appLab) {
		id := l.enrol(softapp.EnrolOptions{})
		_ = l.Behave(msisdn, person.Behaviour{Do: person.Silent})
		shown := func() string {
			s, _ := l.device(id).Shown()
			return s.TransID
		}
		// The gone comes before the request.
		l.service.tell(id, object{"type": "gone", "id": "h1", "op": "sign", "reason": "withdrawn"})
		l.service.tell(id, object{"type": "request", "request": l.service.toSign("h1", "a")})
		l.wait(0)
		if shown() != "" || len(softapp.Kinds(&l.diary)) != 0 {
			t.Errorf("%q is shown", shown())
		}
		// The receipt of the same transaction is another request.
		l.service.tell(id, object{"type": "request", "request": l.service.toShow("h1", "b")})
		l.wait(0)
		if shown() != "h1" {
			t.Error("no receipt")
		}
		l.service.tell(id, object{"type": "gone", "id": "h1", "op": "sign", "reason": "answered"})
		l.wait(0)
		if shown() != "h1" {
			t.Error("the receipt went with the signature")
		}
		// A newer request replaces it, whatever arrives for the older one.
		l.service.tell(id, object{"type": "request", "request": l.service.toSign("h2", "a")})
		l.service.tell(id, object{"type": "request", "request": l.service.toSign("h3", "a")})
		l.service.tell(id, object{"type": "request", "request": l.service.toSign("h2", "a")})
		l.service.tell(id, object{"type": "gone", "id": "h2", "op": "sign", "reason": "replaced"})
		l.wait(time.Second)
		if shown() != "h3" {
			t.Errorf("%q is shown", shown())
		}
		// A request that one sync lacks may be newer than the sync; if the next one
		// lacks it too, it has ended.
		l.service.tell(id, object{"type": "sync", "requests": []object{}})
		l.wait(0)
		if shown() != "h3" {
			t.Error("an older sync took it away")
		}
		l.service.tell(id, object{"type": "sync", "requests": []object{}})
		l.wait(0)
		if shown() != "" {
			t.Error("it is still there")
		}
		// Unknown frames and expired requests are ignored.
		old := l.service.toSign("h4", "a")
		old["expires"] = l.service.now().UnixMilli()
		for _, f := range []object{{"type": "wonder"}, {"type": "request"}, {"type": "request", "request": object{"id": "h5", "op": "dance"}},
			{"type": "request", "request": object{"op": "sign"}}, {"type": "gone", "id": "h3", "op": "dance"}, {"type": "request", "request": old}} {
			l.service.tell(id, f)
		}
		l.wait(time.Second)
		if shown() != "" || l.Connected() != 1 {
			t.Errorf("%q is shown, %d inboxes", shown(), l.Connected())
		}
	})
}

func TestAppGone(t *testing.T) {
	t.Parallel()
	for reason, kind := range map[string]person.Kind{
		"withdrawn": person.Withdrawn, "replaced": person.Replaced, "expired": person.Expired, "answered": person.Withdrawn, "new": person.Withdrawn,
	} {
		inBubble(t, softapp.Config{FastKDF: true, Delay: time.Second}, func(l *appLab) {
			id := l.enrol(softapp.EnrolOptions{})
			l.service.ask(id, l.service.toSign("h1", "a"))
			l.wait(0)
			l.service.tell(id, object{"type": "gone", "id": "h1", "op": "sign", "reason": reason})
			l.wait(time.Minute)
			if got := softapp.Kinds(&l.diary); !slices.Equal(got, []person.Kind{person.Shown, kind}) || len(l.answers()) != 0 {
				t.Errorf("%s: %q", reason, got)
			}
		})
	}
}

// Pauses double from half a second to half a minute, minus a random part of up to
// half.
func TestAppReconnects(t *testing.T) {
	t.Parallel()
	inBubble(t, plain, func(l *appLab) {
		id := l.enrol(softapp.EnrolOptions{})
		for range 8 {
			l.service.badHello = append(l.service.badHello, fakeClose{4429, ""})
		}
		l.service.drop(id)
		l.wait(5 * time.Minute)
		dials := l.service.dials(id)
		if len(dials) != 10 {
			t.Fatalf("%d connections", len(dials))
		}
		pause := 500 * time.Millisecond
		for i := 2; i < len(dials); i++ { // the first one follows half a second after the drop
			pause = min(2*pause, 30*time.Second)
			if d := dials[i].Sub(dials[i-1]); d < pause/2 || d > pause {
				t.Errorf("pause %d of %s, want up to %s", i, d, pause)
			}
		}
		l.service.drop(id) // after a welcome, pauses start from the beginning
		l.wait(500 * time.Millisecond)
		if len(l.service.dials(id)) != 11 {
			t.Error("not back at once")
		}
	})
}

func TestAppCloses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		end  fakeClose
		back bool
	}{
		{fakeClose{4401, "unauthorised"}, false}, {fakeClose{4409, "another"}, false}, {fakeClose{4401, "stale"}, true},
		{fakeClose{4408, ""}, true}, {fakeClose{4429, ""}, true}, {fakeClose{1001, "stopping"}, true}, {fakeClose{1011, ""}, true},
	} {
		inBubble(t, plain, func(l *appLab) {
			id := l.enrol(softapp.EnrolOptions{})
			l.service.badHello = []fakeClose{tc.end}
			l.service.drop(id)
			l.wait(time.Minute)
			if back := l.Connected() == 1; back != tc.back {
				t.Errorf("%v: back %t", tc.end, back)
			}
		})
	}
}

// An App that is too old for the service gives up.
func TestAppTooOld(t *testing.T) {
	t.Parallel()
	inBubble(t, plain, func(l *appLab) {
		id := l.enrol(softapp.EnrolOptions{})
		l.service.mu.Lock()
		l.service.upgraded = true
		l.service.mu.Unlock()
		l.service.drop(id)
		l.wait(time.Minute)
		l.service.mu.Lock()
		l.service.upgraded = false
		l.service.mu.Unlock()
		l.wait(time.Hour)
		if n := len(l.service.dials(id)); n != 1 || l.Connected() != 0 {
			t.Errorf("%d connections, %d open", n, l.Connected())
		}
	})
}

// The App sends a ping within each heartbeat interval and a heartbeat once a day.
func TestAppHeartbeat(t *testing.T) {
	t.Parallel()
	inBubble(t, plain, func(l *appLab) {
		id := l.enrol(softapp.EnrolOptions{})
		l.wait(10 * time.Minute)
		if n := len(l.service.heard(id, "ping")); n != 30 || len(l.service.dials(id)) != 1 {
			t.Errorf("%d pings, %d connections", n, len(l.service.dials(id)))
		}
		if n := len(l.service.called("heartbeat")); n != 0 {
			t.Errorf("%d heartbeats of an App that was enrolled just now", n)
		}
		l.wait(48 * time.Hour)
		if n := len(l.service.called("heartbeat")); n != 2 {
			t.Errorf("%d heartbeats in two days", n)
		}
		b := l.service.called("heartbeat")[0].body
		if b["version"] == "" || b["platform"] != "software" || b["name"] != "Software App" {
			t.Errorf("%v", b)
		}
	})
}

func TestAppSilentService(t *testing.T) {
	t.Parallel()
	inBubble(t, plain, func(l *appLab) {
		id := l.enrol(softapp.EnrolOptions{})
		l.service.set(func() { l.service.mute = true })
		l.wait(90 * time.Second)
		if n := len(l.service.dials(id)); n < 2 {
			t.Errorf("%d connections", n)
		}
	})
}

// A phone with a wrong clock learns the time from a call or from the welcome, so
// that it knows when requests expire.
func TestAppWrongClock(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{-26 * time.Hour, -61 * time.Second, -45 * time.Second, 45 * time.Second, 61 * time.Second, 400 * 24 * time.Hour} {
		t.Run(ahead.String(), func(t *testing.T) {
			inBubble(t, plain, func(l *appLab) {
				l.service.set(func() { l.service.ahead = ahead })
				id := l.enrol(softapp.EnrolOptions{})
				l.wait(time.Second)
				if l.Connected() != 1 {
					t.Fatal("not connected")
				}
				_ = l.Behave(msisdn, person.Behaviour{Do: person.Silent})
				r := l.service.toSign("h1", "a")
				r["locate"] = true
				l.service.ask(id, r)
				l.wait(0)
				s, ok := l.device(id).Shown()
				if s.Party != "Example Bank" {
					t.Errorf("the screen names %q", s.Party)
				}
				if d := time.Until(s.Expires); !ok || (d-90*time.Second).Abs() > time.Second {
					t.Fatalf("%t, %s left", ok, d)
				}
				// The clock changes while the App is connected: calls are stale.
				l.service.set(func() { l.service.ahead -= time.Hour })
				if err := l.EnterPIN(id, "h1", person.DefaultPIN); err != nil {
					t.Fatal(err)
				}
				l.wait(0)
				got := l.answers()
				if len(got) != 1 || len(l.service.called("unlock")) != 2 {
					t.Fatalf("%v", got)
				}
				measured := time.UnixMilli(int64(got[0]["location"].(object)["measured"].(float64)))
				if d := measured.Sub(l.service.now()); d.Abs() > 2*time.Second {
					t.Errorf("measured %s from now", d)
				}
			})
		})
	}
}

// Calls that fail or whose answers are lost are repeated.
func TestAppRetries(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		path  string
		fail  int
		slow  string
		calls int
		after time.Duration // of the last call, at least
		done  bool
	}{
		{name: "answer fails", path: "answer", fail: 3, calls: 4, after: 1750 * time.Millisecond, done: true},
		{name: "answer is lost", path: "answer", fail: -2, calls: 3, after: 750 * time.Millisecond, done: true},
		{name: "unlock fails", path: "unlock", fail: 2, calls: 3, after: 750 * time.Millisecond, done: true},
		{name: "slow", path: "answer", fail: 1, slow: "20", calls: 2, after: 20 * time.Second, done: true},
		{name: "always", path: "answer", fail: 1000, calls: 8},
		{name: "never unlocked", path: "unlock", fail: 1000, calls: 8},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, softapp.Config{FastKDF: true}, func(l *appLab) {
				id := l.enrol(softapp.EnrolOptions{})
				l.service.set(func() { l.service.fail[tc.path], l.service.slow = tc.fail, tc.slow })
				l.service.ask(id, l.service.toSign("h1", "a"))
				start := time.Now()
				l.wait(0)
				l.service.drop(id) // the sync repeats it; no second answer must be sent alongside the first
				l.wait(85 * time.Second)
				calls := l.service.called(tc.path)
				if len(calls) != tc.calls {
					t.Fatalf("%d calls", len(calls))
				}
				if took := calls[len(calls)-1].at.Sub(start); took < tc.after || tc.done && took > 2*tc.after {
					t.Errorf("after %s", took)
				}
				if done := len(l.service.apps[id].pending) == 0; done != tc.done {
					t.Errorf("answered: %t", done)
				}
				if n := len(softapp.Kinds(&l.diary)); n != 3 && tc.path == "answer" {
					t.Errorf("%d events", n)
				}
			})
		})
	}
}

// An answer that is refused is repeated only if that may help.
func TestAppAnswerRefused(t *testing.T) {
	t.Parallel()
	for code, calls := range map[string]int{"late": 1, "unknown": 1, "malformed": 1, "replay": 8, "slow": 8} {
		inBubble(t, plain, func(l *appLab) {
			id := l.enrol(softapp.EnrolOptions{})
			l.service.set(func() { l.service.unwanted = code })
			l.service.ask(id, l.service.toSign("h1", "a"))
			l.wait(2 * time.Minute)
			if got := l.answers(); len(got) != calls {
				t.Errorf("%s: %d calls", code, len(got))
			}
		})
	}
}

func TestAppOpen(t *testing.T) {
	t.Parallel()
	inBubble(t, plain, func(l *appLab) {
		other, id := l.enrol(softapp.EnrolOptions{}), l.enrol(softapp.EnrolOptions{})
		r := l.service.toSign("h1", "a")
		r["redirect_uri"] = "bank://back/1"
		l.service.set(func() { l.service.apps[id].byToken["secret"] = r })
		for _, uri := range []string{"", authURI("wrong")} {
			if back, err := l.Open(l.t.Context(), uri); !errors.Is(err, softapp.ErrNotWaiting) || back != "" {
				t.Errorf("%q, %v", back, err)
			}
		}
		if _, err := l.Open(l.t.Context(), authURI("secret"), other); !errors.Is(err, softapp.ErrNotWaiting) {
			t.Error(err)
		}
		if _, err := l.Open(l.t.Context(), authURI("secret"), "x"); !errors.Is(err, person.ErrUnknown) {
			t.Error(err)
		}
		_ = l.Behave(msisdn, person.Behaviour{Do: person.Unreachable})
		if _, err := l.Open(l.t.Context(), authURI("secret")); !errors.Is(err, softapp.ErrNotWaiting) {
			t.Error(err)
		}
		_ = l.Behave(msisdn, person.Behaviour{})
		l.wait(time.Second) // reconnected: the sync of that is not the one below
		back, err := l.Open(l.t.Context(), authURI("secret"))
		if err != nil || back != "bank://back/1" {
			t.Fatalf("%q, %v", back, err)
		}
		l.service.tell(id, object{"type": "sync", "requests": []object{}}) // made before the request was opened
		l.service.tell(id, object{"type": "request", "request": r})
		l.wait(time.Second)
		if got := l.answers(); len(got) != 1 || got[0]["signature"] == nil {
			t.Errorf("%v", got)
		}
		want := []person.Kind{person.Opened, person.Shown, person.PINRight, person.Signed}
		if got := softapp.Kinds(&l.diary); !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
	})
}

// A wrong passcode by hand leaves the request on the screen; the third does not.
func TestAppByHand(t *testing.T) {
	t.Parallel()
	inBubble(t, plain, func(l *appLab) {
		id := l.enrol(softapp.EnrolOptions{Passcode: "right"})
		_ = l.Behave(msisdn, person.Behaviour{Do: person.Silent})
		l.service.ask(id, l.service.toSign("h1", "a"))
		l.wait(0)
		wrong := (*softapp.PINError)(nil)
		if err := l.EnterPIN(id, "h1", "wrong"); !errors.As(err, &wrong) || wrong.TriesLeft != 2 {
			t.Fatal(err)
		}
		if err := l.EnterPIN(id, "h1", "right"); err != nil {
			t.Fatal(err)
		}
		l.wait(0)
		if got := l.answers(); len(got) != 1 || got[0]["signature"] == nil || l.device(id).TriesLeft() != 3 {
			t.Errorf("%v", got)
		}
		l.service.ask(id, l.service.toSign("h2", "a"))
		l.service.ask(id, l.service.toShow("h1", "b"))
		l.wait(0)
		if err := l.Decline(id, "h2"); err != nil {
			t.Fatal(err)
		}
		l.wait(0)
		if err := l.Acknowledge(id, "h1"); err != nil {
			t.Fatal(err)
		}
		l.service.ask(id, l.service.toSign("h3", "a"))
		l.wait(0)
		for range 3 {
			if err := l.EnterPIN(id, "h3", "wrong"); err != nil && !errors.As(err, &wrong) {
				t.Error(err)
			}
		}
		l.wait(time.Second)
		if got := l.answers(); len(got) != 3 || l.device(id).TriesLeft() != 0 {
			t.Errorf("%v", got)
		}
		if err := l.EnterPIN(id, "h3", "right"); !errors.Is(err, person.ErrNotShown) {
			t.Error(err)
		}
		// It stays blocked: it declines without asking.
		l.service.ask(id, l.service.toSign("h4", "a"))
		l.wait(time.Second)
		if got := l.answers(); len(got) != 4 || got[3]["cancel"] != true || len(l.service.called("unlock")) != 5 {
			t.Errorf("%v", got)
		}
		if e := l.diary.All(); e[len(e)-1].Kind != person.Refused || e[len(e)-1].Code != signum.PINBlocked {
			t.Errorf("%+v", e[len(e)-1])
		}
	})
}
