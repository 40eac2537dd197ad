package simcards

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// cardRow is one row of an import: a card, where it is, and its keys in the clear.
type cardRow struct {
	line      int
	iccid     string
	msisdn    string // empty: in stock
	keySet    byte
	algorithm string
	kic, kid  []byte
	keyType   signum.KeyType // empty: any
	state     mssp.CardState // empty: as it is
}

// way is what a row asks for, by what there is.
type way uint8

const (
	wayStock    way = iota // put into stock, or update there
	wayEnrol               // new account
	wayUpdate              // where it is
	waySwap                // another card of an account that is there, or its first
	wayRenumber            // another number of an account that is there
)

// moves reports whether the way can depend on other rows.
func (w way) moves() bool { return w == waySwap || w == wayRenumber }

// placement is what was done with a card.
type placement struct {
	card      *mssp.Card
	keyType   signum.KeyType
	change    Change
	oldMSISDN string
	oldICCID  string
	kic, kid  []byte // in the clear; nil: not at hand
}

// plan looks what there is, and says what the row asks for.
func (p *Provisioner) plan(ctx context.Context, r *cardRow) (way, *mssp.Card, *mssp.Subscriber, error) {
	c, err := p.card(ctx, r.iccid)
	if err != nil {
		return 0, nil, nil, err
	}
	switch {
	case c != nil && c.State == mssp.CardRetired:
		return 0, nil, nil, refusef(mssp.ErrCardState, "the card was swapped out, and does not come back")
	case c != nil && c.State != mssp.CardStock && r.msisdn == "":
		return 0, nil, nil, refusef(mssp.ErrCardState, "the card is in use, and does not go back to stock")
	case c != nil && c.State != mssp.CardStock && c.MSISDN == r.msisdn:
		return wayUpdate, c, nil, nil
	case c != nil && c.State != mssp.CardStock:
		return wayRenumber, c, nil, nil
	case r.msisdn == "":
		return wayStock, c, nil, nil
	}
	sub, err := p.account(ctx, r.msisdn)
	if sub == nil {
		return wayEnrol, c, nil, err
	}
	return waySwap, c, sub, nil
}

// place does what a row asks for. That can be repeated after a crash at any
// point, and ends the same.
func (p *Provisioner) place(ctx context.Context, r *cardRow, w way, c *mssp.Card, sub *mssp.Subscriber) (*placement, error) {
	switch w {
	case wayEnrol:
		return p.enrol(ctx, r, c)
	case waySwap:
		stock, _, err := p.put(ctx, r, c)
		if err != nil {
			return nil, err
		}
		pl, err := p.swap(ctx, sub, stock, r.keyType)
		if err == nil && r.state == mssp.CardBlocked {
			err = p.setState(ctx, r.iccid, r.state)
			stock.State = r.state
		}
		return pl, err
	case wayRenumber:
		from := c.MSISDN
		if err := p.renumber(ctx, from, r.msisdn); err != nil {
			return nil, err
		}
		c.MSISDN = r.msisdn
		pl, err := p.update(ctx, r, c)
		if err == nil {
			pl.change, pl.oldMSISDN = ChangeRenumbered, from
		}
		return pl, err
	}
	return p.update(ctx, r, c)
}

// put writes a card with the keys of the row, where it is or into stock, unless it
// has them. It reports whether it wrote.
func (p *Provisioner) put(ctx context.Context, r *cardRow, c *mssp.Card) (*mssp.Card, bool, error) {
	if c != nil {
		same, err := p.sameKeys(c, r)
		if err != nil || same {
			return c, false, err
		}
	}
	next, err := p.wrapped(r, c)
	if err != nil {
		return nil, false, err
	}
	if c == nil {
		return next, true, p.cfg.Store.PutCard(ctx, next)
	}
	return next, true, p.cfg.Store.RekeyCard(ctx, next)
}

// wrapped is the card as it is to be kept, with the keys of the row; c is what it
// was, nil if it is new.
func (p *Provisioner) wrapped(r *cardRow, c *mssp.Card) (*mssp.Card, error) {
	now := p.cfg.Clock.Now()
	next := &mssp.Card{ICCID: r.iccid, State: mssp.CardStock, Created: now}
	if c != nil {
		*next = *c
	}
	next.KeySet, next.Algorithm, next.Changed = r.keySet, r.algorithm, now
	var err error
	if next.KIc, err = p.cfg.Keys.Wrap(r.iccid, KeyKIc, r.kic); err == nil {
		next.KID, err = p.cfg.Keys.Wrap(r.iccid, KeyKID, r.kid)
	}
	return next, err
}

// sameKeys reports whether the card has the key set of the row.
func (p *Provisioner) sameKeys(c *mssp.Card, r *cardRow) (bool, error) {
	kic, kid, err := p.keysOf(c)
	if err != nil {
		return false, refusef(err, "the keys that are kept of the card cannot be read: %v", err)
	}
	return c.KeySet == r.keySet && c.Algorithm == r.algorithm &&
		subtle.ConstantTimeCompare(kic, r.kic)&subtle.ConstantTimeCompare(kid, r.kid) == 1, nil
}

func (p *Provisioner) keysOf(c *mssp.Card) (kic, kid []byte, err error) {
	if kic, err = p.cfg.Keys.Unwrap(c.ICCID, KeyKIc, c.KIc); err == nil {
		kid, err = p.cfg.Keys.Unwrap(c.ICCID, KeyKID, c.KID)
	}
	return kic, kid, err
}

// update gives a card the keys and the state of the row where it is, in a phone or
// in stock.
func (p *Provisioner) update(ctx context.Context, r *cardRow, c *mssp.Card) (*placement, error) {
	pl := &placement{change: ChangeNone}
	next, wrote, err := p.put(ctx, r, c)
	if err != nil {
		return nil, err
	}
	switch pl.card = next; {
	case c == nil:
		pl.change = ChangeNew
	case wrote:
		pl.change = ChangeUpdated
	}
	if r.state != "" && r.state != next.State {
		if err := p.setState(ctx, r.iccid, r.state); err != nil {
			return nil, err
		}
		next.State, pl.change = r.state, ChangeUpdated
	}
	return pl, nil
}

// enrol makes an account with the card, which may be in stock.
func (p *Provisioner) enrol(ctx context.Context, r *cardRow, c *mssp.Card) (*placement, error) {
	d := p.newDevice(r.iccid, r.keyType, p.cfg.Network)
	next, err := p.wrapped(r, c)
	if err != nil {
		return nil, err
	}
	next.DeviceID, next.State = d.ID, mssp.CardActive
	if r.state == mssp.CardBlocked {
		next.State, d.State = r.state, signum.DeviceInactive
	}
	err = p.cfg.Store.EnrolCard(ctx, &mssp.Subscriber{MSISDN: r.msisdn, Serial: p.cfg.NewSerial(),
		State: mssp.SubscriberActive, Devices: []mssp.Device{d}}, next)
	next.MSISDN = r.msisdn
	return &placement{card: next, keyType: d.KeyType, change: ChangeNew}, err
}

// newDevice is the SIM that a card becomes. A card comes into a phone once, so that
// its number is unique among devices.
func (p *Provisioner) newDevice(iccid string, k signum.KeyType, n signum.Network) mssp.Device {
	return mssp.Device{ID: "sim-" + iccid, Method: signum.SIM, State: signum.DeviceRegistered, KeyType: k, Network: n}
}

// swap revokes first: if something fails after that, the old SIM is still there,
// and the swap can be asked for again. The new SIM is of the network of the old one,
// and of its kind of key unless another is given.
func (p *Provisioner) swap(ctx context.Context, sub *mssp.Subscriber, c *mssp.Card, k signum.KeyType) (*placement, error) {
	pl := &placement{card: c, keyType: k, change: ChangeNew}
	network := p.cfg.Network
	for _, d := range sub.Devices {
		if d.Method != signum.SIM {
			continue
		}
		pl.change = ChangeSwapped
		if pl.keyType == "" {
			pl.keyType = d.KeyType
		}
		if d.Network != (signum.Network{}) {
			network = d.Network
		}
		if x := d.Certificate; x != nil && x.State == mssp.CertificateGood {
			if err := p.cfg.Revoke(ctx, x.Serial, cessationOfOperation); err != nil {
				return nil, fmt.Errorf("simcards: certificate %s of the old SIM: %w", x.Serial, err)
			}
		}
	}
	if old, err := p.cfg.Store.CardOf(ctx, sub.MSISDN); err == nil {
		pl.oldICCID = old.ICCID
	} else if !errors.Is(err, mssp.ErrNotFound) {
		return nil, err
	}
	d := p.newDevice(c.ICCID, pl.keyType, network)
	if err := p.cfg.Store.SwapCard(ctx, sub.MSISDN, c.ICCID, d, p.cfg.Clock.Now()); err != nil {
		return nil, err
	}
	c.MSISDN, c.DeviceID, c.State = sub.MSISDN, d.ID, mssp.CardActive
	return pl, nil
}

// placed tells who wants to know.
func (p *Provisioner) placed(ctx context.Context, pl *placement) error {
	if p.cfg.Placed == nil {
		return nil
	}
	c := pl.card
	kic, kid := bytes.Clone(pl.kic), bytes.Clone(pl.kid)
	if kic == nil {
		var err error
		if kic, kid, err = p.keysOf(c); err != nil {
			return err
		}
	}
	if pl.keyType == "" && c.MSISDN != "" {
		sub, err := p.account(ctx, c.MSISDN)
		if err != nil {
			return err
		}
		if d := deviceOf(sub, c.DeviceID); d != nil {
			pl.keyType = d.KeyType
		}
	}
	err := p.cfg.Placed(ctx, ImportedCard{
		ICCID: c.ICCID, MSISDN: c.MSISDN, DeviceID: c.DeviceID, State: c.State, KeySet: c.KeySet, Algorithm: c.Algorithm,
		KIc: kic, KID: kid, KeyType: pl.keyType, Change: pl.change, OldMSISDN: pl.oldMSISDN, OldICCID: pl.oldICCID,
	})
	if err != nil {
		return refusef(err, "the card is kept, but its phone did not take it: %v", err)
	}
	return nil
}
