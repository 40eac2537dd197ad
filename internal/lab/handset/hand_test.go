package handset_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/handset"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
)

// pending reports whether the channel has a change, and whether it is open.
func pending(w <-chan struct{}) (change, open bool) {
	select {
	case _, open = <-w:
		return open, open
	default:
		return false, true
	}
}

// A second click has no effect, and no click answers the next dialogue.
func TestDoubleClick(t *testing.T) {
	bubble(t, func(t *testing.T) {
		card := asks(displayText("one"), displayText("two"), displayText("three"))
		r := newRadio(t, handset.Config{}, card)
		r.behaves(t, silent)
		r.wake(t)
		synctest.Wait()
		id := r.screen(t).ID
		var wg sync.WaitGroup
		results := make(chan error, 8)
		for range cap(results) {
			wg.Go(func() { results <- r.Press(msisdn, id, handset.KeyOK, "") })
		}
		wg.Wait()
		close(results)
		pressed := 0
		for err := range results {
			if err == nil {
				pressed++
			} else if !errors.Is(err, person.ErrNotShown) {
				t.Error(err)
			}
		}
		if d := r.screen(t); pressed != 1 || d.Text != "two" || d.ID == id {
			t.Errorf("pressed %d times, then %+v", pressed, d)
		}
		if err := r.Press(msisdn, 0, handset.KeyOK, ""); !errors.Is(err, person.ErrNotShown) {
			t.Error(err)
		}
		if err := r.Press(msisdn, r.screen(t).ID, handset.KeyNone+1, ""); err == nil {
			t.Error("a key that there is not")
		}
	})
}

func TestWatch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		card := asks(displayText("one"), displayText("two"))
		r := newRadio(t, handset.Config{}, card)
		r.behaves(t, silent)
		w, stop, err := r.Watch(msisdn)
		if err != nil {
			t.Fatal(err)
		}
		other, stopOther, err := r.Watch(msisdn)
		if err != nil {
			t.Fatal(err)
		}
		stopOther()
		stopOther()
		if c, _ := pending(w); c {
			t.Error("a change before anything happened")
		}
		r.wake(t)
		synctest.Wait()
		if c, _ := pending(w); !c {
			t.Error("no change when a dialogue came")
		}
		r.press(t, handset.KeyOK, "")
		if c, _ := pending(w); !c || r.screen(t).Text != "two" {
			t.Error("no change when the next came")
		}
		r.press(t, handset.KeyOK, "")
		if c, _ := pending(w); !c || r.screen(t).Kind != handset.Idle {
			t.Error("no change when the last one went")
		}
		r.text(t, "hello", false)
		if c, _ := pending(w); !c {
			t.Error("no change when a message came")
		}
		if c, _ := pending(other); c {
			t.Error("a watch that was stopped")
		}
		if err := r.Remove(msisdn); err != nil {
			t.Fatal(err)
		}
		if _, open := <-w; open {
			if _, open = <-w; open {
				t.Error("a watch of what is no more")
			}
		}
		stop()
		if _, _, err := r.Watch(msisdn); !errors.Is(err, person.ErrUnknown) {
			t.Error(err)
		}
	})
}

// The simulated user presses no key while a person has the keys, and continues afterwards.
func TestTakeOver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		card := asks(displayText("one"), displayText("two"), displayText("three"))
		r := newRadio(t, handset.Config{Delay: time.Second}, card)
		takeOver := func(on bool) {
			t.Helper()
			if err := r.TakeOver(msisdn, on); err != nil {
				t.Fatal(err)
			}
		}
		r.wake(t)
		synctest.Wait()
		takeOver(true) // after the simulated user started to think
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if d := r.screen(t); d.Text != "one" {
			t.Fatalf("%+v", d)
		}
		r.press(t, handset.KeyOK, "")
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if d := r.screen(t); d.Text != "two" {
			t.Fatalf("%+v", d)
		}
		takeOver(false)
		synctest.Wait()
		if d := r.screen(t); d.Kind != handset.Idle || len(card.sent(0x14)) != 3 {
			t.Fatalf("%+v", d)
		}
	})
}

// Only the first key of a request takes the delay.
func TestDelay(t *testing.T) {
	for _, c := range []struct {
		does person.Behaviour
		want time.Duration
	}{
		{person.Behaviour{}, time.Second},
		{person.Delayed(3 * time.Second), 3 * time.Second},
		{person.Behaviour{Do: person.Cancel}, time.Second},
	} {
		bubble(t, func(t *testing.T) {
			card := asks(displayText("one"), getInput("two"), displayText("three"))
			r := newRadio(t, handset.Config{Delay: time.Second}, card)
			r.behaves(t, c.does)
			r.wake(t)
			time.Sleep(c.want - 1)
			synctest.Wait()
			r.behaves(t, silent) // holds for the next request
			if n := len(card.sent(0x14)); n != 0 {
				t.Fatal(n)
			}
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			if n := len(card.sent(0x14)); n != 3 {
				t.Fatal(n)
			}
			r.wake(t)
			time.Sleep(time.Minute - 1)
			synctest.Wait()
			if n := len(card.sent(0x14)); n != 3 {
				t.Fatal(n)
			}
		})
	}
}

// A user whose PIN the handset refuses gives up.
func TestInputDoesNotFit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		card := asks(proactive(0x23, 4, 0x82, "8d00 91020101"))
		r := newRadio(t, handset.Config{}, card)
		r.wake(t)
		synctest.Wait()
		if got := only(t, card.sent(0x14)); got[len(got)-6:] != "830110" {
			t.Error(got)
		}
	})
}

func TestUnreachable(t *testing.T) {
	card := asks()
	r := newRadio(t, handset.Config{}, card)
	r.behaves(t, person.Behaviour{Do: person.Unreachable})
	for _, tpdu := range [][]byte{forCard(t, []byte{1}), parts(t, "hello", false, 1)[0], parts(t, repeat("a", 300), true, 1)[0]} {
		if _, err := r.DeliverSM(t.Context(), msisdn, tpdu); !errors.Is(err, handset.ErrUnreachable) {
			t.Error(err)
		}
	}
	got := r.diary.All()
	for i, want := range []person.Event{{DeviceID: "sim", Method: signum.SIM}, {Text: "hello"}, {Flash: true}} {
		want.Time, want.Kind, want.MSISDN, want.Code = got[i].Time, person.Undelivered, msisdn, signum.OTAError
		if got[i] != want {
			t.Errorf("%+v", got[i])
		}
	}
	if len(card.sent(0xc2)) != 0 || len(r.Messages(msisdn)) != 0 {
		t.Error("it was delivered")
	}
	r.behaves(t, silent)
	r.text(t, "now", false)
}

func TestNobody(t *testing.T) {
	r := newRadio(t, handset.Config{}, nil)
	const unknown = "+41790000000"
	_, errDeliver := r.DeliverSM(t.Context(), unknown, parts(t, "a", false, 1)[0])
	_, errLocate := r.Locate(t.Context(), unknown)
	_, errDialogue := r.Dialogue(unknown)
	_, _, errWatch := r.Watch(unknown)
	for _, err := range []error{
		errDeliver, errLocate, errDialogue, errWatch, r.Behave(unknown, silent), r.Place(unknown, person.DefaultPlace()),
		r.TakeOver(unknown, true), r.Press(unknown, 1, handset.KeyOK, ""), r.Remove(unknown),
	} {
		if !errors.Is(err, person.ErrUnknown) {
			t.Error(err)
		}
	}
	if r.Messages(unknown) != nil {
		t.Error("messages of an unknown number")
	}
	for _, err := range []error{
		r.Insert("", unknown, asks()), r.Insert("a", "", asks()), r.Insert("a", unknown, nil),
	} {
		if err == nil {
			t.Error("inserted")
		}
	}
	if err := r.Behave(unknown, person.Behaviour{Do: 99}); err == nil || errors.Is(err, person.ErrUnknown) {
		t.Error(err)
	}
	r.Close()
	if err := r.Insert("a", unknown, asks()); !errors.Is(err, handset.ErrClosed) {
		t.Error(err)
	}
	if _, err := r.DeliverSM(t.Context(), unknown, nil); !errors.Is(err, handset.ErrClosed) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.DeliverSM(ctx, unknown, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := r.Locate(ctx, unknown); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestLocate(t *testing.T) {
	r := newRadio(t, handset.Config{}, asks())
	got, err := r.Locate(t.Context(), msisdn)
	if err != nil || got.Country != "CH" || got.Accuracy != 0 || got.DeviceConfidence != 1 || got.Measured.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
	for place, want := range map[string]*mssp.Location{"error=106": {Error: signum.GeoAirplaneMode}, "none": nil} {
		p, err := person.ParsePlace(place)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Place(msisdn, p); err != nil {
			t.Fatal(err)
		}
		got, err := r.Locate(t.Context(), msisdn)
		if err != nil || (got == nil) != (want == nil) || got != nil && *got != *want {
			t.Errorf("%s: %+v, %v", place, got, err)
		}
	}
	if err := r.Place(msisdn, person.Place{Country: "x"}); err == nil {
		t.Error("no such place")
	}
}

// With another card in the handset, the user stays but the dialogue ends.
func TestSwap(t *testing.T) {
	bubble(t, func(t *testing.T) {
		old, fresh := asks(displayText("old")), asks(displayText("new"))
		r := newRadio(t, handset.Config{}, old)
		r.behaves(t, silent)
		r.text(t, "hello", false)
		r.wake(t)
		synctest.Wait()
		id := r.screen(t).ID
		if err := r.Insert("sim2", msisdn, fresh); err != nil {
			t.Fatal(err)
		}
		if err := r.Press(msisdn, id, handset.KeyOK, ""); !errors.Is(err, person.ErrNotShown) {
			t.Error(err)
		}
		if d := r.screen(t); d.Kind != handset.Idle {
			t.Errorf("%+v", d)
		}
		r.wake(t)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if d := r.screen(t); d.Text != "new" || len(r.Messages(msisdn)) != 1 {
			t.Errorf("%+v", d)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if len(old.sent(0x14)) != 0 || len(fresh.sent(0x14)) != 1 {
			t.Error("the wrong card was answered")
		}
		if e := r.diary.All(); e[len(e)-1].DeviceID != "sim2" {
			t.Errorf("%+v", e)
		}
	})
}

// A card that is removed while its message is being sent gets no more APDUs.
func TestRemoveWhileSending(t *testing.T) {
	bubble(t, func(t *testing.T) {
		card := asks(proactive(0x13, 0, 0x83, "8b08 41000b9144970000"))
		r := newRadio(t, handset.Config{}, card)
		r.block = true
		r.wake(t)
		synctest.Wait()
		if err := r.Remove(msisdn); err != nil {
			t.Fatal(err)
		}
		r.unblock <- struct{}{}
		synctest.Wait()
		if n := len(card.sent(0x14)); n != 0 {
			t.Error(n)
		}
	})
}
