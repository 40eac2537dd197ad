package smsc_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum/internal/lab/smsc"
	"github.com/signum-mssp/signum/internal/smpp"
)

// Each fault alone, with probability 1.
func TestFaultsToPhone(t *testing.T) {
	tests := []struct {
		name     string
		faults   smsc.Faults
		mode     byte
		want     error
		arrivals []time.Duration
		injected smsc.Injected
	}{
		{"none", smsc.Faults{}, smpp.ModeTransaction, nil, []time.Duration{0}, smsc.Injected{}},
		{"loss", smsc.Faults{Loss: 1, Duplicate: 1}, smpp.ModeTransaction, nil, nil, smsc.Injected{Lost: 1}},
		{"duplicate", smsc.Faults{Duplicate: 1}, smpp.ModeTransaction, nil, []time.Duration{0, 0}, smsc.Injected{Duplicated: 1}},
		{"delay", smsc.Faults{Delay: 3 * time.Second}, smpp.ModeTransaction, nil, []time.Duration{3 * time.Second}, smsc.Injected{Delayed: 1}},
		{"delay beyond the attempt", smsc.Faults{Delay: 9 * time.Second}, smpp.ModeTransaction, smpp.StatusDeliveryFailure, nil, smsc.Injected{Delayed: 1}},
		{"delay, stored", smsc.Faults{Delay: 9 * time.Second}, smpp.ModeDefault, nil, []time.Duration{9 * time.Second}, smsc.Injected{Delayed: 1}},
		{"nobody to be overtaken by", smsc.Faults{Reorder: 1}, smpp.ModeDefault, nil, []time.Duration{smsc.DefaultReorderWait}, smsc.Injected{Reordered: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, smsc.Config{Faults: smsc.Faults{Loss: 1}})
				w.smsc.SetFaults(tt.faults)
				if _, err := w.send(binary(tt.mode)); !errors.Is(err, tt.want) {
					t.Errorf("error %v, want %v", err, tt.want)
				}
				time.Sleep(time.Minute)
				var at []time.Duration
				for _, a := range w.radio.arrivals() {
					at = append(at, a.at)
				}
				if !slices.Equal(at, tt.arrivals) {
					t.Errorf("arrived after %v, want %v", at, tt.arrivals)
				}
				if n := w.smsc.Counters(smsc.ToPhone).Injected; n != tt.injected {
					t.Errorf("injected %+v, want %+v", n, tt.injected)
				}
			})
		})
	}
}

func TestThrottleAndDisconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, smsc.Config{})
		w.smsc.SetFaults(smsc.Faults{Throttle: 1}, smsc.ToPhone)
		for range 5 {
			if _, err := w.send(binary(smpp.ModeTransaction)); !errors.Is(err, smpp.StatusThrottled) {
				t.Errorf("throttled: %v", err)
			}
		}
		w.smsc.SetFaults(smsc.Faults{})
		if _, err := w.send(binary(smpp.ModeTransaction)); err != nil {
			t.Error(err)
		}
		w.smsc.SetFaults(smsc.Faults{Disconnect: 1})
		unknown := 0
		for range 40 {
			if _, err := w.send(binary(smpp.ModeTransaction)); errors.Is(err, smpp.ErrTimeout) {
				unknown++
			}
		}
		time.Sleep(time.Second)
		taken := len(w.radio.arrivals()) - 1
		if unknown != 40 || taken < 10 || taken > 30 {
			t.Errorf("of 40 that were cut %d without a response, %d taken", unknown, taken)
		}
		if n := w.smsc.Counters(smsc.ToPhone).Injected; n.Disconnected != 40 || n.Throttled != 5 {
			t.Errorf("%+v", n)
		}
		if n := w.smsc.Counters(smsc.ToESME).Injected; n != (smsc.Injected{}) {
			t.Errorf("in the other direction: %+v", n)
		}
	})
}

// The queues of some numbers are full, those of the others are not.
func TestFullQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, smsc.Config{})
		for _, full := range []bool{true, false} {
			if w.smsc.SetFull(); full {
				w.smsc.SetFull(phoneNumber)
			}
			_, err := w.send(binary(smpp.ModeTransaction))
			if errors.Is(err, smpp.StatusMsgQFull) != full || !full && err != nil {
				t.Errorf("full %v: %v", full, err)
			}
			other := binary(smpp.ModeTransaction)
			other.Dest.Addr = "41791230000"
			if _, err := w.send(other); errors.Is(err, smpp.StatusMsgQFull) {
				t.Errorf("full %v: another number: %v", full, err)
			}
		}
		if c := w.smsc.Counters(smsc.ToPhone); c.Injected.Full != 1 || len(w.radio.arrivals()) < 1 {
			t.Errorf("%+v", c)
		}
	})
}

func TestFaultsToESME(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, smsc.Config{})
		check := func(f smsc.Faults, n byte, want ...byte) {
			t.Helper()
			w.smsc.SetFaults(f, smsc.ToESME)
			before := len(w.inbox.all())
			w.fromPhone(n)
			time.Sleep(30 * time.Second)
			if got := numbers(w.inbox.all()[before:]); !bytes.Equal(got, want) {
				t.Errorf("%+v: got %v, want %v", f, got, want)
			}
		}
		check(smsc.Faults{Loss: 1}, 1)
		check(smsc.Faults{Duplicate: 1}, 2, 2, 2)
		check(smsc.Faults{Delay: 20 * time.Second, DelayJitter: 5 * time.Second}, 3, 3)
		check(smsc.Faults{}, 4, 4)
		w.smsc.SetFaults(smsc.Faults{Throttle: 1})
		if err := w.smsc.Submit(phoneNumber, fromPhone(t, 5)); err != smsc.ErrCongested {
			t.Errorf("throttled: %v", err)
		}
		w.smsc.SetFaults(smsc.Faults{Disconnect: 1})
		before := len(w.inbox.all())
		for n := range byte(20) {
			w.fromPhone(n)
			time.Sleep(20 * time.Second)
		}
		// Each arrives in the end; those that were cut after acceptance arrive twice.
		got := numbers(w.inbox.all()[before:])
		if distinct := slices.Compact(slices.Clone(got)); len(distinct) != 20 || len(got) < 23 || len(got) > 37 {
			t.Errorf("got %v", got)
		}
	})
}

// A reordered message arrives after the next one.
func TestReorder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, smsc.Config{})
		w.smsc.SetFaults(smsc.Faults{Reorder: 1}, smsc.ToESME)
		w.fromPhone(1)
		w.smsc.SetFaults(smsc.Faults{}, smsc.ToESME)
		other := fromPhone(t, 9)
		if err := w.smsc.Submit("+41790000000", other); err != nil { // a message of another phone does not count
			t.Fatal(err)
		}
		synctest.Wait()
		w.fromPhone(2)
		w.fromPhone(3)
		synctest.Wait()
		got := numbers(w.inbox.all())
		if i := bytes.IndexByte(got, 1); i < 2 || len(got) != 4 || bytes.IndexByte(got, 2) > bytes.IndexByte(got, 3) {
			t.Errorf("order %v", got)
		}
	})
}

// The same seed gives the same faults, another seed gives others, and there are about
// as many as configured.
func TestSeed(t *testing.T) {
	run := func(seed uint64) (arrived []byte, n smsc.Injected) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, smsc.Config{Seed: seed, Faults: smsc.Faults{Loss: 0.2, Duplicate: 0.2, Delay: time.Second, DelayJitter: 3 * time.Second}})
			for i := range byte(200) {
				if _, err := w.send(numbered(i)); err != nil {
					t.Error(err)
				}
				time.Sleep(10 * time.Millisecond)
			}
			time.Sleep(time.Minute)
			for _, a := range w.radio.arrivals() {
				arrived = append(arrived, last(a.Deliver))
			}
			n = w.smsc.Counters(smsc.ToPhone).Injected
		})
		return arrived, n
	}
	a, n := run(1)
	b, _ := run(1)
	c, _ := run(2)
	if !bytes.Equal(a, b) || bytes.Equal(a, c) {
		t.Error("faults do not follow the seed")
	}
	if n.Lost < 25 || n.Lost > 55 || n.Duplicated < 18 || n.Duplicated > 48 || n.Delayed != 200-n.Lost || len(a) != int(200-n.Lost+n.Duplicated) {
		t.Errorf("%d arrived, %+v", len(a), n)
	}
	if slices.IsSorted(a) {
		t.Error("jitter that never changes the order")
	}
}
