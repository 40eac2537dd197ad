package handset_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/lab/handset"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/sms"
)

// forever issues one command after another: the given ones, then a text, a PIN and a message,
// as long as the handset fetches.
type forever struct {
	first []byte
	mu    sync.Mutex
	n     int
	open  bool
	bad   string
}

var rounds = [][]byte{
	unhex(displayText("pay?")), unhex(getInput("PIN")), unhex(proactive(0x13, 0, 0x83, "8b08 41000b9144970000")),
	unhex(proactive(0x25, 0, 0x82, "8502 4142")),
}

func (f *forever) next() []byte {
	if f.n == 0 && f.first != nil {
		return f.first
	}
	return rounds[f.n%len(rounds)]
}

func (f *forever) Transmit(b []byte) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch b[1] {
	case 0x12:
		if f.open {
			f.bad = "FETCH while a command is open"
		}
		f.open = true
		return append(append([]byte(nil), f.next()...), 0x90, 0)
	case 0x14:
		if !f.open {
			f.bad = "a response to nothing"
		}
		f.open = false
		f.n++
	case 0x10:
		return []byte{0x90, 0}
	}
	if f.n > 40 {
		return []byte{0x90, 0}
	}
	return []byte{0x91, byte(len(f.next()))}
}

func (f *forever) KnownPIN() string                { return "4711" }
func (f *forever) TriesLeft() int                  { return 3 }
func (f *forever) Asking() card.Asking             { return card.Asking{Step: card.StepText} }
func (f *forever) SimulateFault(signum.Code, bool) {}

// Everything happens at once; nothing gets stuck, and no user is asked twice.
func TestConcurrently(t *testing.T) {
	const phones, workers = 8, 16
	number := func(i int) string { return fmt.Sprintf("+4179000000%d", i) }
	var h *handset.Network
	var events sync.Map
	h = handset.New(handset.Config{Delay: time.Microsecond, Inactivity: time.Millisecond, Observe: func(e person.Event) {
		events.Store(e.Kind, true)
		if d, err := h.Dialogue(e.MSISDN); err == nil && e.Kind == person.Shown {
			_ = h.Press(e.MSISDN, d.ID, handset.KeyOK, "")
		}
	}})
	defer h.Close()
	var mu sync.Mutex
	var cards []*forever
	insert := func(i int) {
		c := new(forever)
		mu.Lock()
		cards = append(cards, c)
		mu.Unlock()
		if err := h.Insert(fmt.Sprint("sim", i), number(i), c); err != nil {
			t.Error(err)
		}
	}
	forCard, texts := forCard(t, []byte{1}), parts(t, repeat("hello ", 400), false, 3)
	h.Connect(func(msisdn string, tpdu []byte) error { // the network calls back
		_, err := h.DeliverSM(t.Context(), msisdn, texts[rand.IntN(len(texts))])
		return err
	})
	for i := range phones {
		insert(i)
	}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range 400 {
				i := rand.IntN(phones)
				var err error
				switch rand.IntN(12) {
				case 0, 1, 2, 3:
					_, err = h.DeliverSM(t.Context(), number(i), forCard)
				case 4, 5:
					d, _ := h.Dialogue(number(i))
					err = h.Press(number(i), d.ID, handset.Key(rand.IntN(4)), "1234")
				case 6:
					err = h.Behave(number(i), person.Behaviour{Do: person.Action(rand.IntN(8))})
				case 7:
					err = h.TakeOver(number(i), rand.IntN(2) == 0)
				case 8:
					w, stop, werr := h.Watch(number(i))
					if err = werr; err == nil {
						select {
						case <-w:
						case <-time.After(time.Millisecond):
						}
						stop()
					}
				case 9:
					h.Messages(number(i))
					_, err = h.Locate(t.Context(), number(i))
				case 10:
					insert(i)
				case 11:
					if rand.IntN(4) == 0 {
						err = h.Remove(number(i))
						insert(i)
					}
				}
				for _, known := range []error{person.ErrUnknown, handset.ErrUnreachable, person.ErrNotShown, handset.ErrInput} {
					if errors.Is(err, known) {
						err = nil
					}
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	h.Close()
	var asked int
	for _, c := range cards {
		if c.bad != "" {
			t.Error(c.bad)
		}
		asked += c.n
	}
	t.Logf("%d cards, %d commands", len(cards), asked)
	for _, kind := range []person.Kind{person.Shown, person.Text, person.Undelivered, person.Cancelled, person.TimedOut} {
		if _, ok := events.Load(kind); !ok {
			t.Errorf("no %s", kind)
		}
	}
}

// A card gets one response to each command, whatever the command is, and the handset
// continues to work.
func FuzzProactiveCommand(f *testing.F) {
	for _, c := range rounds {
		f.Add(c, byte(0), "1234")
	}
	for _, bad := range []string{
		"d0", "d1 00", "d0 00", "d0 81", "d0 8180", "d0 84 00000000", "d0 82 0003 8d0100", "d0 03 8d01",
		"d0 05 8102 0121", "d0 09 8103 012181 84 02 0100", "d0 09 8103 012181 84 02 0301", "d0 08 8103 012304 91 01 04",
	} {
		f.Add(unhex(bad), byte(0), "")
	}
	f.Add(unhex(proactive(0x21, 0x01, 2, "8d02 0841 8402 0105")), byte(3), "")
	f.Add(unhex(proactive(0x23, 0x0b, 2, "8d00 9102 00ff")), byte(0), "ё€")
	f.Fuzz(func(t *testing.T, c []byte, key byte, input string) {
		if len(c) == 0 || len(c) > 256 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			r := newRadio(t, handset.Config{}, &forever{first: c})
			r.behaves(t, silent)
			r.wake(t)
			synctest.Wait()
			_ = r.Press(msisdn, r.screen(t).ID, handset.Key(key%4), input)
			for range 50 {
				time.Sleep(4 * time.Hour)
			}
			synctest.Wait()
			if d := r.screen(t); d.Kind != handset.Idle {
				t.Errorf("%+v", d)
			}
		})
	})
}

// Every delivery gets a report, and the screen shows valid text only.
func FuzzDeliverSM(f *testing.F) {
	f.Add(forCard(f, []byte{1}))
	for _, p := range parts(f, repeat("пароль ", 90), true, 3) {
		f.Add(p)
	}
	f.Add(parts(f, "code 1234", false, 1)[0])
	card := asks()
	r := newRadio(f, handset.Config{}, card)
	f.Fuzz(func(t *testing.T, tpdu []byte) {
		report, err := r.DeliverSM(t.Context(), msisdn, tpdu)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sms.ParseReport(report); err != nil {
			t.Errorf("report %x: %v", report, err)
		}
	})
}

// The cost of a handset whose card waits for its user.
func BenchmarkWaitingHandset(b *testing.B) {
	for _, does := range []person.Behaviour{silent, person.Delayed(time.Hour)} {
		b.Run(does.String(), func(b *testing.B) {
			const phones = 10_000
			var idle, waiting, threads float64
			tpdu := forCard(b, []byte{1})
			for range b.N {
				h := handset.New(handset.Config{Inactivity: time.Hour})
				cards := make([]forever, phones)
				numbers := make([]string, phones)
				for i := range numbers {
					numbers[i] = fmt.Sprintf("+4179%07d", i)
				}
				empty, running := inUse(), runtime.NumGoroutine()
				for i, n := range numbers {
					if err := h.Insert("sim", n, &cards[i]); err != nil {
						b.Fatal(err)
					}
					if err := h.Behave(n, does); err != nil {
						b.Fatal(err)
					}
				}
				ready := inUse()
				for _, n := range numbers {
					if _, err := h.DeliverSM(b.Context(), n, tpdu); err != nil {
						b.Fatal(err)
					}
				}
				for _, n := range numbers {
					for d, _ := h.Dialogue(n); d.Kind == handset.Idle; d, _ = h.Dialogue(n) {
						time.Sleep(time.Millisecond)
					}
				}
				idle += ready - empty
				waiting += inUse() - ready
				threads += float64(runtime.NumGoroutine() - running)
				runtime.KeepAlive(cards)
				h.Close()
			}
			b.ReportMetric(idle/phones/float64(b.N), "bytes/handset")
			b.ReportMetric(waiting/phones/float64(b.N), "bytes/waiting")
			b.ReportMetric(threads/float64(b.N), "goroutines")
		})
	}
}

// Signatures from the ENVELOPE to the last SMS-SUBMIT, with the card, its cryptography and a
// user who acts at once.
func BenchmarkSIMSign(b *testing.B) {
	s := newService(b, newCard(b), person.Behaviour{After: 1})
	done := make(chan struct{}, 2)
	s.Connect(func(number string, tpdu []byte) error {
		defer func() { done <- struct{}{} }()
		return s.receive(number, tpdu)
	})
	for i := range b.N {
		s.send(signReq(i, "Bank: do you want to log in?"))
		<-done // PoR
		<-done // reply
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "signatures/s")
}

func inUse() float64 {
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return float64(s.HeapAlloc)
}
