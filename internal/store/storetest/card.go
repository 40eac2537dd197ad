package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// newCard returns the nth card, in stock.
func newCard(n int) *mssp.Card {
	return &mssp.Card{
		ICCID: fmt.Sprintf("8941012345%09d", n), State: mssp.CardStock, KeySet: 2, Algorithm: mssp.CardAES,
		KIc: []byte{1, 0, byte(n)}, KID: []byte{1, 0xff, byte(n)}, Profile: "contactless", Created: start, Changed: after(1),
	}
}

// sim returns the nth device: a SIM without a key.
func sim(n int) mssp.Device {
	return mssp.Device{ID: fmt.Sprint("sim-", n), Method: signum.SIM, State: signum.DeviceRegistered, KeyType: signum.EC}
}

// holder stores the nth subscriber with the nth SIM and the nth card.
func holder(t *testing.T, s mssp.Store, n int) (*mssp.Subscriber, *mssp.Card) {
	t.Helper()
	sub, c := subscriber(n, sim(n)), newCard(n)
	must(t, s.PutSubscriber(t.Context(), sub))
	c.State, c.DeviceID = mssp.CardActive, sub.Devices[0].ID
	must(t, s.PutCard(t.Context(), c))
	c.MSISDN = sub.MSISDN
	return sub, c
}

func checkCard(t *testing.T, s mssp.Store, want *mssp.Card) {
	t.Helper()
	got, err := s.Card(t.Context(), want.ICCID)
	must(t, err)
	same(t, want, got)
}

func testCard(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	_, err := s.Card(ctx, "89410123450000000001")
	wantNotFound(t, "unknown card", err)
	_, err = s.Card(ctx, "nul\x00")
	wantNotFound(t, "no ICCID", err)
	_, err = s.CardOf(ctx, "+41790000001")
	wantNotFound(t, "card of nobody", err)

	stock := newCard(9)
	stock.Counter, stock.ReplyCounter, stock.ReplySeen = mssp.MaxCardCounter, mssp.MaxCardCounter, 1<<63|1
	must(t, s.PutCard(ctx, stock))
	checkCard(t, s, stock)
	sub, c := holder(t, s, 1)
	checkCard(t, s, c)
	got, err := s.CardOf(ctx, sub.MSISDN)
	must(t, err)
	same(t, c, got)

	// All changes but the counters and Created.
	want := *c
	for range 3 {
		want.Counter, err = s.TakeCounter(ctx, c.ICCID, 0)
		must(t, err)
	}
	if ok, err := s.AcceptReply(ctx, c.ICCID, 7); !ok || err != nil {
		t.Error(ok, err)
	}
	want.ReplyCounter = 7
	want.KIc, want.KID, want.State, want.Changed = []byte{2}, []byte{3}, mssp.CardBlocked, after(5)
	put := want
	put.Counter, put.ReplyCounter, put.ReplySeen, put.Created, put.MSISDN = 99, 98, 97, after(9), "not kept"
	must(t, s.PutCard(ctx, &put))
	checkCard(t, s, &want)
	checkSubscriber(t, s, sub) // its device does not change

	// Other keys start over.
	for _, change := range []func(){func() { put.KeySet = 15 }, func() { put.Algorithm = mssp.Card3DES }} {
		put.State = mssp.CardActive
		must(t, s.PutCard(ctx, &put))
		_, err = s.TakeCounter(ctx, c.ICCID, 0)
		must(t, err)
		if ok, err := s.AcceptReply(ctx, c.ICCID, 9); !ok || err != nil {
			t.Error(ok, err)
		}
		change()
		must(t, s.PutCard(ctx, &put))
		want = put
		want.Counter, want.ReplyCounter, want.ReplySeen, want.Created, want.MSISDN = 0, 0, 0, c.Created, sub.MSISDN
		checkCard(t, s, &want)
	}
	checkCard(t, d.Reopen(), &want)
	checkCard(t, d.Store(), stock)
}

func testCardRefused(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	_, c := holder(t, s, 1)
	must(t, s.PutSubscriber(ctx, subscriber(2, sim(2), mssp.Device{ID: "app-2", Method: signum.App, State: signum.DeviceActive})))
	for name, change := range map[string]func(*mssp.Card){
		"no ICCID":         func(c *mssp.Card) { c.ICCID = "" },
		"NUL":              func(c *mssp.Card) { c.ICCID = "1\x00" },
		"active in stock":  func(c *mssp.Card) { c.DeviceID = "" },
		"stock in use":     func(c *mssp.Card) { c.State = mssp.CardStock },
		"retired in use":   func(c *mssp.Card) { c.State = mssp.CardRetired },
		"odd state":        func(c *mssp.Card) { c.State = "LOST" },
		"no key set":       func(c *mssp.Card) { c.KeySet = 0 },
		"key set":          func(c *mssp.Card) { c.KeySet = 16 },
		"algorithm":        func(c *mssp.Card) { c.Algorithm = "DES" },
		"no KIc":           func(c *mssp.Card) { c.KIc = nil },
		"no KID":           func(c *mssp.Card) { c.KID = []byte{} },
		"counter":          func(c *mssp.Card) { c.Counter = mssp.MaxCardCounter + 1 },
		"counter of reply": func(c *mssp.Card) { c.ReplyCounter = mssp.MaxCardCounter + 1 },
		"an App's":         func(c *mssp.Card) { c.DeviceID = "app-2" },
		"NUL in device":    func(c *mssp.Card) { c.DeviceID = "\x00" },
	} {
		bad := *c
		change(&bad)
		if err := s.PutCard(ctx, &bad); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	second := *newCard(2)
	second.State, second.DeviceID = mssp.CardActive, "none"
	wantNotFound(t, "no device", s.PutCard(ctx, &second))
	second.DeviceID = c.DeviceID
	wantIs(t, "device has another", s.PutCard(ctx, &second), mssp.ErrExists)
	checkCard(t, s, c)
	_, err := s.Card(ctx, second.ICCID)
	wantNotFound(t, "refused card", err)
}

func testRekeyCard(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	sub, c := holder(t, s, 1)
	_, err := s.TakeCounter(ctx, c.ICCID, 0)
	must(t, err)
	if ok, err := s.AcceptReply(ctx, c.ICCID, 7); !ok || err != nil {
		t.Error(ok, err)
	}
	must(t, s.SetCardState(ctx, c.ICCID, mssp.CardBlocked, after(2)))
	c.State, c.Counter, c.ReplyCounter = mssp.CardBlocked, 1, 7
	for _, step := range []struct {
		set       byte
		algorithm string
	}{{2, mssp.CardAES}, {3, mssp.CardAES}, {3, mssp.CardAES}, {3, mssp.Card3DES}} {
		if step.set != c.KeySet || step.algorithm != c.Algorithm {
			c.Counter, c.ReplyCounter = 0, 0
		}
		c.KeySet, c.Algorithm, c.KIc, c.KID, c.Changed = step.set, step.algorithm, append(c.KIc, 1), append(c.KID, 2), after(3)
		c.Profile += "-2"
		// The other fields are ignored.
		must(t, s.RekeyCard(ctx, &mssp.Card{ICCID: c.ICCID, State: "ODD", DeviceID: "none", KeySet: c.KeySet, Algorithm: c.Algorithm,
			KIc: c.KIc, KID: c.KID, Profile: c.Profile, Changed: c.Changed, Counter: 9, ReplyCounter: 9, ReplySeen: 9}))
		checkCard(t, s, c)
	}
	sub.Devices[0].State = signum.DeviceInactive
	checkSubscriber(t, s, sub)
	wantNotFound(t, "no card", s.RekeyCard(ctx, newCard(2)))
	bad := newCard(1)
	bad.KeySet = 0
	if err := s.RekeyCard(ctx, bad); err == nil {
		t.Error("key set 0: taken")
	}
	checkCard(t, d.Reopen(), c)
}

func testCardProfiles(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	none, err := s.CardProfiles(ctx)
	must(t, err)
	same(t, 0, len(none))
	for n, profile := range []string{"b", "", "a", "b", "C", "a", "b"} {
		c := newCard(n + 1)
		c.Profile = profile
		must(t, s.PutCard(ctx, c))
	}
	names, err := s.CardProfiles(ctx)
	must(t, err)
	slices.Sort(names) // engines differ in the order of letters
	same(t, []string{"C", "a", "b"}, names)
}

func wantIs(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func testEnrolCard(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	sub, c := subscriber(1, sim(1)), newCard(1)
	c.State, c.DeviceID = mssp.CardActive, "sim-1"
	must(t, s.EnrolCard(ctx, sub, c))
	c.MSISDN = sub.MSISDN
	checkSubscriber(t, s, sub)
	checkCard(t, s, c)

	// A card from stock is replaced, but keeps its counters.
	stock := newCard(2)
	stock.Counter, stock.ReplyCounter = 5, 6
	must(t, s.PutCard(ctx, stock))
	second, taken := subscriber(2, sim(2)), newCard(2)
	taken.State, taken.DeviceID, taken.KIc, taken.Created = mssp.CardBlocked, "sim-2", []byte{9}, after(8)
	must(t, s.EnrolCard(ctx, second, taken))
	taken.MSISDN, taken.Created, taken.Counter, taken.ReplyCounter = second.MSISDN, start, 5, 6
	checkCard(t, s, taken)

	enrol := func(account, device, card int, change func(*mssp.Subscriber, *mssp.Card)) error {
		sub, c := subscriber(account, sim(device)), newCard(card)
		c.State, c.DeviceID = mssp.CardActive, sub.Devices[0].ID
		if change != nil {
			change(sub, c)
		}
		return s.EnrolCard(ctx, sub, c)
	}
	wantIs(t, "account exists", enrol(1, 3, 3, nil), mssp.ErrExists)
	wantIs(t, "device exists", enrol(3, 1, 3, nil), mssp.ErrExists)
	wantIs(t, "card exists", enrol(3, 3, 1, nil), mssp.ErrExists)
	for name, change := range map[string]func(*mssp.Subscriber, *mssp.Card){
		"other device":   func(_ *mssp.Subscriber, c *mssp.Card) { c.DeviceID = "sim-4" },
		"in stock":       func(_ *mssp.Subscriber, c *mssp.Card) { c.DeviceID, c.State = "", mssp.CardStock },
		"no device":      func(s *mssp.Subscriber, _ *mssp.Card) { s.Devices = nil },
		"two devices":    func(s *mssp.Subscriber, _ *mssp.Card) { s.Devices = append(s.Devices, sim(4)) },
		"App":            func(s *mssp.Subscriber, _ *mssp.Card) { s.Devices[0].Method = signum.App },
		"odd state":      func(s *mssp.Subscriber, _ *mssp.Card) { s.State = "" },
		"odd card":       func(_ *mssp.Subscriber, c *mssp.Card) { c.KeySet = 0 },
		"no certificate": func(s *mssp.Subscriber, _ *mssp.Card) { s.Devices[0].Certificate = newCertificate(7, "sim-3") },
	} {
		if err := enrol(3, 3, 3, change); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	_, err := s.Subscriber(ctx, subscriber(3).MSISDN)
	wantNotFound(t, "refused account", err)
	_, err = s.Card(ctx, newCard(3).ICCID)
	wantNotFound(t, "refused card", err)
	checkSubscriber(t, d.Reopen(), sub)
}

// If a device is deleted, its card stays, with its counters.
func testCardOfLostDevice(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	sub, c := holder(t, s, 1)
	var err error
	c.Counter, err = s.TakeCounter(ctx, c.ICCID, 0)
	must(t, err)
	sub.Devices[0].KeyType = signum.RSA
	must(t, s.PutSubscriber(ctx, sub))
	checkCard(t, s, c)
	sub.Devices[0] = sim(2)
	must(t, s.PutSubscriber(ctx, sub))
	c.State, c.DeviceID, c.MSISDN = mssp.CardRetired, "", ""
	checkCard(t, s, c)
	_, err = s.CardOf(ctx, sub.MSISDN)
	wantNotFound(t, "no card", err)
}
