package store

import (
	"bytes"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storetest"
)

func testCard(n int, device string) *mssp.Card {
	c := &mssp.Card{ICCID: fmt.Sprintf("8941%016d", n), DeviceID: device, State: mssp.CardActive, KeySet: 1,
		Algorithm: mssp.CardAES, KIc: []byte{1}, KID: []byte{1}}
	if device == "" {
		c.State = mssp.CardStock
	}
	return c
}

// Refused writes of cards among many accepted ones do not roll back any group.
func TestRefusalsOfCardsKeepGroup(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		var log bytes.Buffer
		s, ctx := open(t, url, WithLogger(slog.New(slog.NewTextHandler(&log, nil))), WithWriters(1)), t.Context()
		now := time.UnixMicro(1)
		sim := mssp.Device{ID: "sim", Method: signum.SIM, State: signum.DeviceActive}
		for _, msisdn := range []string{"+1", "+2"} {
			sub := &mssp.Subscriber{MSISDN: msisdn, State: mssp.SubscriberActive}
			if msisdn == "+1" {
				sub.Devices = []mssp.Device{sim}
			}
			if err := s.PutSubscriber(ctx, sub); err != nil {
				t.Fatal(err)
			}
		}
		blocked, last := testCard(1, "sim"), testCard(2, "")
		blocked.State = mssp.CardBlocked
		for _, c := range []*mssp.Card{blocked, last} {
			if err := s.PutCard(ctx, c); err != nil {
				t.Fatal(err)
			}
		}
		var all sync.WaitGroup
		for i := range 50 {
			other := mssp.Device{ID: fmt.Sprint("d", i), Method: signum.SIM, State: signum.DeviceActive}
			for name, refused := range map[string]func() error{
				"put":         func() error { return s.PutCard(ctx, testCard(3, "none")) },
				"put another": func() error { return s.PutCard(ctx, testCard(3, "sim")) },
				"enrol": func() error {
					return s.EnrolCard(ctx, &mssp.Subscriber{MSISDN: "+1", State: mssp.SubscriberActive, Devices: []mssp.Device{other}},
						testCard(100+i, other.ID))
				},
				"rekey":         func() error { return s.RekeyCard(ctx, testCard(99, "")) },
				"counter":       func() error { _, err := s.TakeCounter(ctx, blocked.ICCID, 0); return err },
				"no counter":    func() error { _, err := s.TakeCounter(ctx, "none", 0); return err },
				"reply":         func() error { _, err := s.AcceptReply(ctx, "none", 1); return err },
				"state":         func() error { return s.SetCardState(ctx, last.ICCID, mssp.CardActive, now) },
				"swap":          func() error { return s.SwapCard(ctx, "+2", blocked.ICCID, other, now) },
				"swap nothing":  func() error { return s.SwapCard(ctx, "+2", "none", other, now) },
				"swap device":   func() error { return s.SwapCard(ctx, "+2", last.ICCID, sim, now) },
				"renumber":      func() error { return s.RenumberSubscriber(ctx, "+1", "+2") },
				"renumber none": func() error { return s.RenumberSubscriber(ctx, "none", "+3") },
			} {
				all.Go(func() {
					if refused() == nil {
						t.Errorf("%s: taken", name)
					}
				})
			}
			all.Go(func() {
				if err := s.InsertTransaction(ctx, storetest.NewTransaction(i)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if bytes.Contains(log.Bytes(), []byte("one by one")) {
			t.Errorf("a group was rolled back: %s", log.Bytes())
		}
	})
}

// Counters that are taken in one group differ. Those of a group that was rolled back
// are given out again, because no caller got them.
func TestCountersOfOneGroup(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, WithWriters(1)), t.Context()
		if err := s.PutSubscriber(ctx, &mssp.Subscriber{MSISDN: "+1", State: mssp.SubscriberActive,
			Devices: []mssp.Device{{ID: "sim", Method: signum.SIM, State: signum.DeviceActive}}}); err != nil {
			t.Fatal(err)
		}
		c := testCard(1, "sim")
		if err := s.PutCard(ctx, c); err != nil {
			t.Fatal(err)
		}
		const n = 20
		var all sync.WaitGroup
		taken := make([]bool, n+1)
		var mu sync.Mutex
		all.Go(func() {
			for _, err := range together(s, &write{first: &query{text: `INSERT nonsense`}}, putParty("p")) {
				_ = err // one fails, and makes its group run one by one
			}
		})
		for range n {
			all.Go(func() {
				counter, err := s.TakeCounter(ctx, c.ICCID, 0)
				if err != nil || counter < 1 || counter > n {
					t.Error(counter, err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				if taken[counter] {
					t.Errorf("%d was taken twice", counter)
				}
				taken[counter] = true
			})
		}
		all.Wait()
		wantParties(t, s, "p")
	})
}

// For many cards at the same time, the counter of a reply is recorded while the next
// message takes one. Two transactions that change the same rows in opposite order
// would deadlock until one of them is rolled back.
func TestCountersTogether(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		var log bytes.Buffer
		s, ctx := open(t, url, WithWriters(3), WithLogger(slog.New(slog.NewTextHandler(&log, nil)))), t.Context()
		log.Reset() // drops what Open logs
		const cards = 64
		for n := range cards {
			sim := fmt.Sprint("sim-", n)
			if err := s.PutSubscriber(ctx, &mssp.Subscriber{MSISDN: fmt.Sprint("+", n+1), State: mssp.SubscriberActive,
				Devices: []mssp.Device{{ID: sim, Method: signum.SIM, State: signum.DeviceActive}}}); err != nil {
				t.Fatal(err)
			}
			if err := s.PutCard(ctx, testCard(n, sim)); err != nil {
				t.Fatal(err)
			}
		}
		var all sync.WaitGroup
		for n := range cards {
			c := testCard(n, "")
			for _, f := range []func(i uint64) error{
				func(uint64) error { _, err := s.TakeCounter(ctx, c.ICCID, 0); return err },
				func(i uint64) error { _, err := s.AcceptReply(ctx, c.ICCID, i); return err },
			} {
				all.Go(func() {
					for i := range uint64(30) {
						if err := f(i + 1); err != nil {
							t.Error(err)
						}
					}
				})
			}
		}
		all.Wait()
		if log.Len() > 0 {
			t.Errorf("groups were rolled back: %s", log.Bytes())
		}
	})
}
