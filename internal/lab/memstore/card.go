package memstore

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storable"
)

// card returns a card as callers see it.
func (d *data) card(kept *mssp.Card) *mssp.Card {
	out := *kept
	out.KIc, out.KID, out.MSISDN = octets(kept.KIc), octets(kept.KID), ""
	if dev := d.devices[kept.DeviceID]; dev != nil {
		out.MSISDN = dev.msisdn
	}
	return &out
}

// cardIn returns the card of a device; nil if it has none.
func (d *data) cardIn(deviceID string) *mssp.Card {
	for _, c := range d.cards {
		if c.DeviceID == deviceID {
			return c
		}
	}
	return nil
}

// Card implements mssp.Store.
func (s *Store) Card(ctx context.Context, iccid string) (c *mssp.Card, err error) {
	err = s.read(ctx, func() error {
		kept := s.cards[iccid]
		if kept == nil {
			return mssp.ErrNotFound
		}
		c = s.card(kept)
		return nil
	})
	return c, err
}

// CardOf implements mssp.Store. An account of an earlier version could have several SIMs;
// the card of the first one counts.
func (s *Store) CardOf(ctx context.Context, msisdn string) (c *mssp.Card, err error) {
	err = s.read(ctx, func() error {
		if own := s.subscribers[msisdn]; own != nil {
			for _, id := range own.devices {
				if kept := s.cardIn(id); kept != nil {
					c = s.card(kept)
					return nil
				}
			}
		}
		return mssp.ErrNotFound
	})
	return c, err
}

// AssignedCards implements mssp.Store.
func (s *Store) AssignedCards(ctx context.Context, after string, limit int) (list []*mssp.Card, err error) {
	err = s.read(ctx, func() error {
		for _, iccid := range slices.Sorted(maps.Keys(s.cards)) {
			if c := s.cards[iccid]; iccid > after && c.DeviceID != "" && len(list) < limit {
				list = append(list, s.card(c))
			}
		}
		return nil
	})
	return list, err
}

// CardProfiles implements mssp.Store.
func (s *Store) CardProfiles(ctx context.Context) (names []string, err error) {
	err = s.read(ctx, func() error {
		for _, c := range s.cards {
			if c.Profile != "" && !slices.Contains(names, c.Profile) {
				names = append(names, c.Profile)
			}
		}
		slices.Sort(names)
		return nil
	})
	return names, err
}

// PutCard implements mssp.Store.
func (s *Store) PutCard(ctx context.Context, c *mssp.Card) error {
	if err := storable.Card(c); err != nil {
		return err
	}
	return s.write(ctx, func() error {
		if c.DeviceID != "" {
			dev := s.devices[c.DeviceID]
			if dev == nil {
				return mssp.ErrNotFound
			}
			if !mssp.MethodOf(dev.Method).Card {
				return fmt.Errorf("store: device %s of card %s is not a SIM", c.DeviceID, c.ICCID)
			}
			if other := s.cardIn(c.DeviceID); other != nil && other.ICCID != c.ICCID {
				return fmt.Errorf("store: card of device %s: %w", c.DeviceID, mssp.ErrExists)
			}
		}
		s.putCard(c)
		return nil
	})
}

// putCard adds a card, or replaces it. Counters belong to a key set: the keys of another one
// have not seen any yet.
func (d *data) putCard(c *mssp.Card) {
	kept := *c
	kept.KIc, kept.KID, kept.MSISDN = octets(c.KIc), octets(c.KID), ""
	kept.Created, kept.Changed = precise(c.Created), precise(c.Changed)
	if old := d.cards[c.ICCID]; old != nil {
		kept.Created = old.Created
		keepCounters(&kept, old)
	}
	set(&d.cards, c.ICCID, &kept)
}

// RekeyCard implements mssp.Store.
func (s *Store) RekeyCard(ctx context.Context, c *mssp.Card) error {
	keys := *c
	keys.DeviceID, keys.State = "", mssp.CardStock // not looked at
	if err := storable.Card(&keys); err != nil {
		return err
	}
	return s.write(ctx, func() error {
		old := s.cards[c.ICCID]
		if old == nil {
			return mssp.ErrNotFound
		}
		kept := *old
		kept.KeySet, kept.Algorithm, kept.KIc, kept.KID = c.KeySet, c.Algorithm, octets(c.KIc), octets(c.KID)
		kept.Changed, kept.Profile = precise(c.Changed), c.Profile
		keepCounters(&kept, old)
		s.cards[c.ICCID] = &kept
		return nil
	})
}

// keepCounters gives a card the counters of before, unless its keys are others.
func keepCounters(c, old *mssp.Card) {
	c.Counter, c.ReplyCounter, c.ReplySeen = 0, 0, 0
	if c.KeySet == old.KeySet && c.Algorithm == old.Algorithm {
		c.Counter, c.ReplyCounter, c.ReplySeen = old.Counter, old.ReplyCounter, old.ReplySeen
	}
}

// EnrolCard implements mssp.Store.
func (s *Store) EnrolCard(ctx context.Context, sub *mssp.Subscriber, c *mssp.Card) error {
	if err := storable.EnrolledCard(sub, c); err != nil {
		return err
	}
	return s.write(ctx, func() error {
		dev := sub.Devices[0]
		if err := s.requireCertificate(&dev); err != nil {
			return err
		}
		if s.devices[dev.ID] != nil {
			return fmt.Errorf("store: device %s: %w", dev.ID, mssp.ErrExists)
		}
		if old := s.cards[c.ICCID]; old != nil && old.State != mssp.CardStock {
			return fmt.Errorf("store: card %s, %s: %w", c.ICCID, old.State, mssp.ErrExists)
		}
		if s.subscribers[sub.MSISDN] != nil {
			return fmt.Errorf("store: account: %w", mssp.ErrExists)
		}
		if err := s.putAccount(sub); err != nil {
			return err
		}
		s.putCard(c)
		return nil
	})
}

// SetCardState implements mssp.Store.
func (s *Store) SetCardState(ctx context.Context, iccid string, to mssp.CardState, at time.Time) error {
	return s.write(ctx, func() error {
		c := s.cards[iccid]
		if c == nil {
			return mssp.ErrNotFound
		}
		dev := s.devices[c.DeviceID]
		type change struct{ from, to mssp.CardState }
		switch (change{c.State, to}) {
		case change{to, to}:
			return nil
		case change{mssp.CardActive, mssp.CardBlocked}:
			dev.State = signum.DeviceInactive
		case change{mssp.CardBlocked, mssp.CardActive}:
			dev.State = s.unblocked(dev)
		case change{mssp.CardStock, mssp.CardRetired}:
		default:
			return fmt.Errorf("store: card %s is %s and does not become %s: %w", iccid, c.State, to, mssp.ErrCardState)
		}
		c.State, c.Changed = to, precise(at)
		return nil
	})
}

// unblocked is the state that a device had before its card was blocked, as its certificate
// tells.
func (d *data) unblocked(dev *device) signum.DeviceState {
	switch c := d.certificates[dev.certificate]; {
	case dev.Ended != "":
		return signum.DeviceInactive
	case dev.certificate == "":
		return signum.DeviceRegistered
	case c != nil && c.State == mssp.CertificateGood:
		return signum.DeviceActive
	}
	return signum.DeviceInactive
}

// SwapCard implements mssp.Store.
func (s *Store) SwapCard(ctx context.Context, msisdn, newICCID string, newDevice mssp.Device, at time.Time) error {
	if err := storable.Device(newDevice); err != nil {
		return err
	}
	if newDevice.Method != signum.SIM || newDevice.Certificate != nil {
		return fmt.Errorf("store: device %s of a new card is not a SIM, or has a certificate", newDevice.ID)
	}
	return s.write(ctx, func() error {
		own, c := s.subscribers[msisdn], s.cards[newICCID]
		switch {
		case own == nil || c == nil:
			return mssp.ErrNotFound
		case c.State != mssp.CardStock:
			return fmt.Errorf("store: card %s is %s, not in stock: %w", newICCID, c.State, mssp.ErrCardState)
		case s.devices[newDevice.ID] != nil:
			return fmt.Errorf("store: device %s: %w", newDevice.ID, mssp.ErrExists)
		}
		for _, id := range slices.Clone(own.devices) {
			s.retireCards(id, at)
			if s.devices[id].Method == signum.SIM {
				s.dropDevice(id)
			}
		}
		s.putDevice(msisdn, newDevice)
		c.State, c.DeviceID, c.Changed = mssp.CardActive, newDevice.ID, precise(at)
		return nil
	})
}
