package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// modelCard is a card with all replies that were accepted since its keys changed
// last.
type modelCard struct {
	mssp.Card
	replies replies
}

// read returns the card as a read returns it.
func (m *model) readCard(c *modelCard) *mssp.Card {
	r := c.Card
	r.ReplyCounter, r.ReplySeen = c.replies.highest, c.replies.bits()
	for _, sub := range m.subscribers {
		if slices.ContainsFunc(sub.Devices, func(d mssp.Device) bool { return d.ID == r.DeviceID }) {
			r.MSISDN = sub.MSISDN
		}
	}
	return &r
}

func (m *model) cardIn(deviceID string) *modelCard {
	for _, c := range m.cards {
		if c.DeviceID != "" && c.DeviceID == deviceID {
			return c
		}
	}
	return nil
}

// simDevice usually draws a device of a SIM. It never draws the device of an App, which
// cannot have a card.
func (m *model) simDevice(rt *rapid.T) string {
	sims := make(map[string]bool)
	for _, sub := range m.subscribers {
		for _, d := range sub.Devices {
			if d.Method == signum.SIM && m.apps[d.ID] == nil {
				sims[d.ID] = true
			}
		}
	}
	return among(rt, "sim", sims, m.prefix+"none")
}

func (m *model) drawCard(rt *rapid.T) *mssp.Card {
	return &mssp.Card{
		ICCID: m.draw(rt, "card", 4), State: mssp.CardStock, KeySet: byte(rapid.IntRange(1, 2).Draw(rt, "key set")),
		Algorithm: rapid.SampledFrom([]string{mssp.CardAES, mssp.CardAES, mssp.Card3DES}).Draw(rt, "algorithm"),
		KIc:       []byte{byte(rapid.IntRange(0, 9).Draw(rt, "kic"))}, KID: []byte{1},
		Profile: rapid.SampledFrom([]string{"", "contactless"}).Draw(rt, "profile"),
		Created: m.seconds(rt, "created"), Changed: m.seconds(rt, "changed"),
	}
}

// keep updates the model after a card was written.
func (m *model) keep(c *mssp.Card) {
	kept := &modelCard{Card: *c, replies: replies{seen: make(map[uint64]bool)}}
	if old := m.cards[c.ICCID]; old != nil {
		kept.Created = old.Created
		if old.KeySet == c.KeySet && old.Algorithm == c.Algorithm {
			kept.Counter, kept.replies = old.Counter, old.replies
		}
	}
	m.cards[c.ICCID] = kept
}

func (m *model) putCard(rt *rapid.T) {
	c := m.drawCard(rt)
	switch rapid.IntRange(0, 5).Draw(rt, "where") {
	case 0:
	case 1:
		c.State = mssp.CardRetired
	case 2:
		c.State, c.DeviceID = mssp.CardBlocked, m.simDevice(rt)
	default:
		c.State, c.DeviceID = mssp.CardActive, m.simDevice(rt)
	}
	err := m.store.PutCard(context.Background(), c)
	other := m.cardIn(c.DeviceID)
	switch {
	case c.DeviceID != "" && m.device(c.DeviceID) == nil:
		agree(rt, "no device", true, errors.Is(err, mssp.ErrNotFound))
	case other != nil && other.ICCID != c.ICCID:
		agree(rt, "another card", true, errors.Is(err, mssp.ErrExists))
	default:
		ok(rt, err)
		m.keep(c)
	}
}

func (m *model) rekeyCard(rt *rapid.T) {
	keys := m.drawCard(rt)
	err := m.store.RekeyCard(context.Background(), keys)
	c := m.cards[keys.ICCID]
	if c == nil {
		agree(rt, "no card", true, errors.Is(err, mssp.ErrNotFound))
		return
	}
	ok(rt, err)
	keys.State, keys.DeviceID = c.State, c.DeviceID
	m.keep(keys)
}

func (m *model) newSIM(rt *rapid.T) mssp.Device {
	return mssp.Device{ID: m.draw(rt, "device", 4), Method: signum.SIM, State: signum.DeviceRegistered}
}

func (m *model) enrolCard(rt *rapid.T) {
	c, d := m.drawCard(rt), m.newSIM(rt)
	c.State, c.DeviceID = mssp.CardActive, d.ID
	sub := &mssp.Subscriber{MSISDN: m.draw(rt, "msisdn", 3), Serial: "S", State: mssp.SubscriberActive, Devices: []mssp.Device{d}}
	err := m.store.EnrolCard(context.Background(), sub, c)
	old := m.cards[c.ICCID]
	if m.subscribers[sub.MSISDN] != nil || m.device(d.ID) != nil || old != nil && old.State != mssp.CardStock {
		agree(rt, "exists", true, errors.Is(err, mssp.ErrExists))
		return
	}
	ok(rt, err)
	m.subscribers[sub.MSISDN], m.known[sub.MSISDN] = sub, false
	m.keep(c)
}

func (m *model) iccid(rt *rapid.T) string {
	return among(rt, "card", m.cards, m.draw(rt, "card", 4))
}

func (m *model) takeCounter(rt *rapid.T) {
	id := m.iccid(rt)
	got, err := m.store.TakeCounter(context.Background(), id, 0)
	switch c := m.cards[id]; {
	case c == nil:
		agree(rt, "no card", true, errors.Is(err, mssp.ErrNotFound))
	case c.State != mssp.CardActive:
		agree(rt, "not active", true, errors.Is(err, mssp.ErrCardState))
	default:
		ok(rt, err)
		c.Counter++
		agree(rt, "counter", c.Counter, got)
	}
}

func (m *model) acceptReply(rt *rapid.T) {
	id, counter := m.iccid(rt), uint64(rapid.IntRange(0, 200).Draw(rt, "counter"))
	got, err := m.store.AcceptReply(context.Background(), id, counter)
	c := m.cards[id]
	if c == nil {
		agree(rt, "no card", true, errors.Is(err, mssp.ErrNotFound))
		return
	}
	ok(rt, err)
	agree(rt, "reply", c.replies.accept(counter), got)
}

func (m *model) cardState(rt *rapid.T) {
	id, at := m.iccid(rt), m.seconds(rt, "at")
	to := rapid.SampledFrom([]mssp.CardState{mssp.CardActive, mssp.CardActive, mssp.CardBlocked, mssp.CardBlocked,
		mssp.CardRetired, mssp.CardStock}).Draw(rt, "to")
	err := m.store.SetCardState(context.Background(), id, to, at)
	c := m.cards[id]
	switch {
	case c == nil:
		agree(rt, "no card", true, errors.Is(err, mssp.ErrNotFound))
		return
	case c.State == to:
		ok(rt, err)
		return
	case c.State == mssp.CardActive && to == mssp.CardBlocked:
		m.device(c.DeviceID).State = signum.DeviceInactive
	case c.State == mssp.CardBlocked && to == mssp.CardActive:
		d := m.device(c.DeviceID)
		d.State = signum.DeviceInactive
		if d.Ended != "" {
			break
		}
		if d.Certificate == nil {
			d.State = signum.DeviceRegistered
		} else if m.certificates[d.Certificate.Serial].State == mssp.CertificateGood {
			d.State = signum.DeviceActive
		}
	case c.State == mssp.CardStock && to == mssp.CardRetired:
	default:
		agree(rt, "no such change", true, errors.Is(err, mssp.ErrCardState))
		return
	}
	ok(rt, err)
	c.State, c.Changed = to, at
}

func (m *model) swapCard(rt *rapid.T) {
	msisdn, id, d, at := m.draw(rt, "msisdn", 3), m.iccid(rt), m.newSIM(rt), m.seconds(rt, "at")
	err := m.store.SwapCard(context.Background(), msisdn, id, d, at)
	sub, c := m.subscribers[msisdn], m.cards[id]
	switch {
	case sub == nil || c == nil:
		agree(rt, "nothing to swap", true, errors.Is(err, mssp.ErrNotFound))
		return
	case c.State != mssp.CardStock:
		agree(rt, "not in stock", true, errors.Is(err, mssp.ErrCardState))
		return
	case m.device(d.ID) != nil:
		agree(rt, "device exists", true, errors.Is(err, mssp.ErrExists))
		return
	}
	ok(rt, err)
	for _, o := range sub.Devices {
		if old := m.cardIn(o.ID); old != nil {
			old.State, old.DeviceID, old.Changed = mssp.CardRetired, "", at
		}
	}
	sub.Devices = slices.DeleteFunc(sub.Devices, func(o mssp.Device) bool { return o.Method == signum.SIM })
	sub.Devices = append(sub.Devices, d)
	sortDevices(sub)
	m.keepApps(sub)
	c.State, c.DeviceID, c.Changed = mssp.CardActive, d.ID, at
}

func (m *model) renumber(rt *rapid.T) {
	from, to := m.draw(rt, "msisdn", 3), m.draw(rt, "msisdn", 3)
	err := m.store.RenumberSubscriber(context.Background(), from, to)
	sub := m.subscribers[from]
	switch {
	case sub == nil:
		agree(rt, "no account", true, errors.Is(err, mssp.ErrNotFound))
		return
	case from == to:
		ok(rt, err)
		return
	case m.subscribers[to] != nil:
		agree(rt, "account exists", true, errors.Is(err, mssp.ErrExists))
		return
	}
	ok(rt, err)
	sub.MSISDN = to
	move(m.subscribers, from, to)
	move(m.recovery, from, to)
	move(m.invites, from, to)
	move(m.known, from, to)
	m.moveConsents(from, to)
	if i := m.invites[to]; i != nil {
		i.MSISDN = to
	}
	for _, a := range m.apps {
		if a.MSISDN == from {
			a.MSISDN = to
		}
	}
}

// move renames an entry, and replaces any entry of the new name.
func move[T any](all map[string]T, from, to string) {
	v, there := all[from]
	delete(all, from)
	delete(all, to)
	if there {
		all[to] = v
	}
}

// keepCards retires the cards whose device was deleted.
func (m *model) keepCards() {
	for _, c := range m.cards {
		if c.DeviceID != "" && m.device(c.DeviceID) == nil {
			c.State, c.DeviceID = mssp.CardRetired, ""
		}
	}
}

// checkCards compares all cards.
func (m *model) checkCards(rt *rapid.T) {
	ctx := context.Background()
	for n := 1; n <= 4; n++ {
		id := fmt.Sprintf("%scard%d", m.prefix, n)
		got, err := m.store.Card(ctx, id)
		if want := m.cards[id]; want == nil {
			agree(rt, "no card", true, errors.Is(err, mssp.ErrNotFound))
		} else {
			ok(rt, err)
			agree(rt, "card", m.readCard(want), got)
		}
	}
	for msisdn, sub := range m.subscribers {
		var first *modelCard // sub.Devices are ordered
		for _, d := range sub.Devices {
			if c := m.cardIn(d.ID); c != nil && first == nil {
				first = c
			}
		}
		got, err := m.store.CardOf(ctx, msisdn)
		if first == nil {
			agree(rt, "no card", true, errors.Is(err, mssp.ErrNotFound))
			continue
		}
		ok(rt, err)
		agree(rt, "card of subscriber", m.readCard(first), got)
	}
}
