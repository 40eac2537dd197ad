package phone_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/phone"
)

func TestRepeatedSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, signum.EC, time.Second)
		r := request(l.sim, "t1", "a")
		l.send(t, r)
		l.send(t, r) // while the user looks at it
		time.Sleep(500 * time.Millisecond)
		l.send(t, r)
		time.Sleep(10 * time.Second)
		first := l.mssp.only(t)

		restarted := &answers{}
		l.Connect(restarted)
		l.behave(t, phone.Behaviour{Do: phone.Cancel})
		l.send(t, r) // after it was answered
		time.Sleep(10 * time.Second)
		if again := restarted.only(t); !bytes.Equal(again.Signature, first.Signature) || first.Signature == nil {
			t.Errorf("first %+v, then %+v", first, again)
		}
		if n := l.keys.signatures(); n != 1 {
			t.Errorf("%d signatures", n)
		}

		time.Sleep(time.Minute)
		l.send(t, r) // after its time: forgotten, and not shown
		time.Sleep(10 * time.Second)
		if got := restarted.got(); len(got) != 1 {
			t.Errorf("%+v", got)
		}
		want := []phone.Kind{phone.Shown, phone.PINRight, phone.Signed}
		if got := l.diary.kinds(); !slices.Equal(got[:3], want) || slices.Contains(got[3:], phone.Shown) {
			t.Errorf("events %q", got)
		}
	})
}

func TestCancelWithdraws(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, signum.EC, time.Second)
		for _, d := range []*phone.Device{l.sim, l.app} {
			r := request(d, "t-"+d.ID(), "a")
			l.send(t, r)
			l.Cancel(t.Context(), d.ID(), "another")
			if _, ok := d.Shown(); !ok {
				t.Fatal("not shown")
			}
			l.Cancel(t.Context(), d.ID(), r.TransID)
			l.Cancel(t.Context(), d.ID(), r.TransID)
			if _, ok := d.Shown(); ok {
				t.Fatal("still shown")
			}
			l.send(t, r) // a repetition that was on its way
			l.Cancel(t.Context(), d.ID(), "overtaking")
			l.send(t, request(d, "overtaking", "b"))
			if s, ok := d.Shown(); ok {
				t.Fatalf("%+v is shown", s)
			}
		}
		l.Cancel(t.Context(), "unknown", "t1")
		time.Sleep(time.Minute)
		if got := l.mssp.got(); len(got) != 0 || l.keys.signatures() != 0 {
			t.Errorf("answers %+v, %d signatures", got, l.keys.signatures())
		}
		want := []phone.Kind{phone.Shown, phone.Withdrawn, phone.Shown, phone.Withdrawn}
		if got := l.diary.kinds(); !slices.Equal(got, want) {
			t.Errorf("events %q, want %q", got, want)
		}
	})
}

func TestExpiredIsNotSigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, signum.EC, 0)
		l.behave(t, phone.Delayed(time.Minute)) // to the instant
		l.send(t, request(l.sim, "t1", "a"))
		time.Sleep(time.Minute - 1)
		if _, ok := l.sim.Shown(); !ok {
			t.Error("gone too early")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if _, ok := l.sim.Shown(); ok {
			t.Error("still shown")
		}
		if err := l.EnterPIN("sim", "t1", phone.DefaultPIN); !errors.Is(err, phone.ErrNotShown) {
			t.Errorf("EnterPIN: %v", err)
		}
		l.behave(t, phone.Delayed(time.Minute-1))
		l.send(t, request(l.sim, "t2", "a")) // the SIM is free again
		time.Sleep(time.Minute)
		if a := l.mssp.only(t); a.TransID != "t2" || l.keys.signatures() != 1 {
			t.Errorf("%+v, %d signatures", a, l.keys.signatures())
		}
		late := request(l.sim, "t3", "a")
		late.Expires = time.Now()
		l.send(t, late)
		time.Sleep(time.Hour)
		l.mssp.only(t)
	})
}

// Someone else's clock decides, not the timer's.
func TestExpiryByClock(t *testing.T) {
	clock := &settable{now: time.Now()}
	d, err := phone.NewDevice(phone.DeviceSpec{ID: "d", MSISDN: msisdn, Method: signum.SIM}, phone.Config{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	d.Receive(request(d, "t1", "a"))
	clock.now = clock.now.Add(2 * time.Minute)
	if _, err := d.EnterPIN("t1", phone.DefaultPIN); !errors.Is(err, phone.ErrNotShown) {
		t.Fatal(err)
	}
}

type settable struct{ now time.Time }

func (s *settable) Now() time.Time { return s.now }

func TestBlockedSurvives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, signum.EC, 0)
		l.behave(t, phone.Behaviour{Do: phone.WrongPIN})
		l.send(t, request(l.sim, "t1", "a"))
		synctest.Wait()
		l.behave(t, phone.Behaviour{})
		l.send(t, request(l.sim, "t2", "a"))
		l.Close()
		for _, a := range l.mssp.got() {
			if code(a) != signum.PINBlocked {
				t.Errorf("%+v", a)
			}
		}
		again, err := phone.NewDevice(phone.DeviceSpec{ID: "sim", MSISDN: msisdn, Method: signum.SIM}, phone.Config{Keys: l.keys})
		if err != nil || again.TriesLeft() != 0 {
			t.Fatalf("%d tries left, %v", again.TriesLeft(), err)
		}
		again.Unblock()
		if n, err := l.keys.TriesLeft("sim"); err != nil || n != phone.MaxTries {
			t.Errorf("%d tries left, %v", n, err)
		}
	})
}

func TestAnswerIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, signum.EC, 0)
		l.mssp.refuse = 4
		start := time.Now()
		l.send(t, request(l.sim, "t1", "a"))
		time.Sleep(time.Minute)
		l.mssp.only(t)
		var offsets []time.Duration
		for _, d := range l.mssp.deadline {
			offsets = append(offsets, d.Sub(start)-10*time.Second)
		}
		want := []time.Duration{0, 100e6, 300e6, 700e6, 1500e6}
		if !slices.Equal(offsets, want) {
			t.Errorf("attempts after %v, want %v", offsets, want)
		}

		l.mssp.refuse = 5
		r := request(l.sim, "t2", "a")
		l.send(t, r)
		time.Sleep(30 * time.Second)
		l.mssp.only(t) // given up
		l.send(t, r)
		synctest.Wait()
		if got := l.mssp.got(); len(got) != 2 || l.keys.signatures() != 2 {
			t.Fatalf("the device has it still: %+v", got)
		}
	})
}

func TestSendRefuses(t *testing.T) {
	n := phone.New(phone.Config{})
	d, err := n.Add(phone.DeviceSpec{ID: "d", MSISDN: msisdn, Method: signum.SIM})
	if err != nil {
		t.Fatal(err)
	}
	ota := mssp.ErrUnreachable
	if err := n.Send(t.Context(), request(d, "t1", "a")); !errors.Is(err, ota) {
		t.Errorf("not connected: %v", err)
	}
	n.Connect(&answers{})
	for name, change := range map[string]func(*mssp.DeviceRequest){
		"other device": func(r *mssp.DeviceRequest) { r.DeviceID = "e" },
		"other number": func(r *mssp.DeviceRequest) { r.MSISDN = "+41790000000" },
		"other method": func(r *mssp.DeviceRequest) { r.Method = signum.App },
	} {
		r := request(d, "t1", "a")
		change(&r)
		if err := n.Send(t.Context(), r); !errors.Is(err, ota) || !errors.Is(err, phone.ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := n.Send(ctx, request(d, "t1", "a")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	n.Close()
	n.Close()
	if err := n.Send(t.Context(), request(d, "t1", "a")); !errors.Is(err, ota) || !errors.Is(err, phone.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// What is under way is finished; who has not acted never will.
func TestCloseDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, signum.EC, 0)
		slow := &slowMSSP{answers: l.mssp, takes: 3 * time.Second}
		l.Connect(slow)
		l.send(t, request(l.sim, "t1", "a"))
		l.behave(t, phone.Delayed(time.Second))
		l.send(t, request(l.app, "t2", "a"))
		start := time.Now()
		l.Close()
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("Close took %s", took)
		}
		time.Sleep(time.Minute)
		if a := l.mssp.only(t); a.TransID != "t1" {
			t.Errorf("%+v", a)
		}
	})
}

func TestByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, signum.EC, 0)
		l.behave(t, phone.Behaviour{Do: phone.Silent})
		l.send(t, request(l.app, "t1", "a"))
		var wrong *phone.PINError
		if err := l.EnterPIN("app", "t1", "guess"); !errors.As(err, &wrong) || wrong.TriesLeft != 2 {
			t.Fatal(err)
		}
		if err := l.EnterPIN("app", "t1", "pass phrase"); err != nil {
			t.Fatal(err)
		}
		if err := l.Decline("app", "t1"); !errors.Is(err, phone.ErrNotShown) {
			t.Fatal(err)
		}
		l.send(t, request(l.app, "t2", "b"))
		if err := l.Decline("app", "t2"); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(l.Decline("x", "t2"), l.EnterPIN("x", "t2", "")); !errors.Is(err, phone.ErrUnknown) {
			t.Fatal(err)
		}
		synctest.Wait()
		answers := make(map[string]signum.Code)
		for _, a := range l.mssp.got() {
			answers[a.TransID] = code(a)
		}
		if len(answers) != 2 || answers["t1"] != 0 || answers["t2"] != signum.UserCancel {
			t.Errorf("%+v", answers)
		}
	})
}

// The observer may use the phones: here it withdraws what it sees.
func TestObserverCallsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n *phone.Network
		var kinds []phone.Kind
		inside := false
		n = phone.New(phone.Config{Delay: time.Second, Observe: func(e phone.Event) {
			if inside {
				t.Errorf("%s was told within another", e.Kind)
			}
			inside = true
			defer func() { inside = false }()
			kinds = append(kinds, e.Kind)
			if e.Kind == phone.Shown {
				n.Cancel(context.Background(), e.DeviceID, e.TransID)
			}
		}})
		defer n.Close()
		m := &answers{}
		n.Connect(m)
		d, err := n.Add(phone.DeviceSpec{ID: "d", MSISDN: msisdn, Method: signum.App})
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Send(t.Context(), request(d, "t1", "a")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if !slices.Equal(kinds, []phone.Kind{phone.Shown, phone.Withdrawn}) || len(m.got()) != 0 {
			t.Errorf("%q, %+v", kinds, m.got())
		}
	})
}
