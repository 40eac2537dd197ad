package phone_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/phone"
)

// Either the request is withdrawn or it is signed, never both.
func TestCancelRacesAnswer(t *testing.T) {
	l := newLab(t, signum.EC, 0)
	const n = 2000
	for i := range n {
		id := fmt.Sprintf("t%d", i)
		l.send(t, request(l.sim, id, "a"))
		if i%3 == 0 {
			time.Sleep(time.Duration(i%200) * time.Microsecond)
		}
		l.Cancel(t.Context(), "sim", id)
	}
	l.Close()
	ends := make(map[string]int)
	var signed, withdrawn int
	for _, e := range l.diary.all() {
		switch e.Kind {
		case phone.Signed:
			signed++
			ends[e.TransID]++
		case phone.Withdrawn:
			withdrawn++
			ends[e.TransID]++
		case phone.Refused:
			t.Fatalf("%+v", e)
		}
	}
	t.Logf("%d signed, %d withdrawn", signed, withdrawn)
	if len(l.mssp.got()) != signed || len(ends) != n || signed+withdrawn != n {
		t.Errorf("%d answers, %d signed, %d withdrawn of %d", len(l.mssp.got()), signed, withdrawn, n)
	}
}

// Everything at once; for the race detector. What is left is the rule: no
// two answers to one request, no signature without a text shown.
func TestConcurrentUse(t *testing.T) {
	l := newLab(t, signum.EC, 0)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			d := l.device([]signum.Method{signum.SIM, signum.App}[w%2])
			for i := range 200 {
				id := fmt.Sprintf("t%d-%d", w, i)
				switch i % 10 {
				case 3:
					_ = l.Behave(msisdn, phone.Behaviour{Do: phone.Actions()[(i/10+w)%len(phone.Actions())]})
				case 7:
					_ = l.Behave(msisdn, phone.Behaviour{})
					d.Unblock()
				}
				r := request(d, id, id)
				if d == l.app && i%5 == 1 {
					r = calledBy(r, id)
				}
				_ = l.Send(t.Context(), r) // Unreachable fails
				switch i % 5 {
				case 1:
					_, _ = l.Open(authURI(id))
				case 2:
					_ = l.Send(t.Context(), activation(d, id))
					_ = l.SetPIN(d.ID(), id, phone.DefaultPIN, phone.DefaultPIN[:4+i%3])
				case 3:
					_ = l.Send(t.Context(), receipt(d, id, id))
					_ = l.Acknowledge(d.ID(), id)
				case 4:
					_ = l.Place(msisdn, phone.DefaultPlace())
					_ = l.SendText(t.Context(), mssp.TextMessage{MSISDN: msisdn, Text: id})
				}
				if i%2 == 0 {
					_ = l.EnterPIN(d.ID(), id, phone.DefaultPIN)
				}
				if _, ok := d.Shown(); ok {
					l.Cancel(t.Context(), d.ID(), id)
				}
			}
		})
	}
	wg.Wait()
	l.Close()
	answered, shown := make(map[name]int), make(map[string]bool)
	for _, a := range l.mssp.got() {
		id := name{a.TransID, a.Op}
		if answered[id]++; answered[id] > 1 {
			t.Errorf("%v was answered twice", id)
		}
	}
	for _, e := range l.diary.all() {
		switch e.Kind {
		case phone.Shown:
			shown[e.TransID] = shown[e.TransID] || e.Op == mssp.OpSign
		case phone.Signed:
			if !shown[e.TransID] {
				t.Errorf("%s was signed and not shown", e.TransID)
			}
		}
	}
}

// slowMSSP takes its time and counts how many it keeps waiting.
type slowMSSP struct {
	*answers
	takes time.Duration

	mu        sync.Mutex
	now, most int
}

func (s *slowMSSP) Answer(ctx context.Context, a mssp.DeviceAnswer) error {
	s.mu.Lock()
	s.now++
	s.most = max(s.most, s.now)
	s.mu.Unlock()
	time.Sleep(s.takes)
	s.mu.Lock()
	s.now--
	s.mu.Unlock()
	return s.answers.Answer(ctx, a)
}

// Answers wait for the store together, but not in any number; Send does not
// wait for them.
func TestManyAnswersAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, signum.EC, 0)
		slow := &slowMSSP{answers: l.mssp, takes: time.Second}
		l.Connect(slow)
		const many = 5000
		start := time.Now()
		for i := range many {
			d := l.add(t, phone.DeviceSpec{ID: fmt.Sprint(i), MSISDN: msisdn, Method: signum.SIM})
			l.send(t, request(d, fmt.Sprint("t", i), "a"))
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("Send waited %s", took)
		}
		time.Sleep(time.Minute)
		if got := len(l.mssp.got()); got != many || slow.most != 256 {
			t.Errorf("%d answers, at most %d at once", got, slow.most)
		}
	})
}
