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

// cardRow is one row of an import: a card, its place, and its keys in the clear.
type cardRow struct {
	line      int
	iccid     string
	msisdn    string // empty: in stock
	keySet    byte
	algorithm string
	kic, kid  []byte
	keyType   signum.KeyType // empty: any
	state     mssp.CardState // empty: unchanged
	profile   string         // empty: unchanged
}

// action is what a row asks for, given the present state.
type action uint8

const (
	actionStock    action = iota // put into stock, or update there
	actionEnrol                  // new account
	actionUpdate                 // keys and state of a card in use
	actionSwap                   // another card for an account, or its first
	actionRenumber               // another number for an account
)

// moves reports whether the action can depend on other rows.
func (a action) moves() bool { return a == actionSwap || a == actionRenumber }

// placement is the result of an action.
type placement struct {
	card      *mssp.Card
	keyType   signum.KeyType
	change    Change
	oldMSISDN string
	oldICCID  string
	kic, kid  []byte // in the clear; nil: unwrap them if needed
}

// plan reads the present state and decides what the row asks for.
func (p *Provisioner) plan(ctx context.Context, r *cardRow) (action, *mssp.Card, *mssp.Subscriber, error) {
	c, err := p.card(ctx, r.iccid)
	if err != nil {
		return 0, nil, nil, err
	}
	switch {
	case c != nil && c.State == mssp.CardRetired:
		return 0, nil, nil, refusef(mssp.ErrCardState, "the card was swapped out and cannot come back")
	case c != nil && c.State != mssp.CardStock && r.msisdn == "":
		return 0, nil, nil, refusef(mssp.ErrCardState, "the card is in use and cannot go back to stock")
	case c != nil && c.State != mssp.CardStock && c.MSISDN == r.msisdn:
		return actionUpdate, c, nil, nil
	case c != nil && c.State != mssp.CardStock:
		return actionRenumber, c, nil, nil
	case r.msisdn == "":
		return actionStock, c, nil, nil
	}
	sub, err := p.account(ctx, r.msisdn)
	if sub == nil {
		return actionEnrol, c, nil, err
	}
	return actionSwap, c, sub, nil
}

// place does what a row asks for. After a crash at any point it can be repeated, with
// the same result.
func (p *Provisioner) place(ctx context.Context, r *cardRow, a action, c *mssp.Card, sub *mssp.Subscriber) (*placement, error) {
	switch a {
	case actionEnrol:
		return p.enrol(ctx, r, c)
	case actionSwap:
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
	case actionRenumber:
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

// put writes the keys and the profile of the row to the card, unless it has them; a new card goes into
// stock. It reports whether it wrote.
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

// wrapped returns the card for the store, with the keys of the row; c is the present
// card, nil if it is new.
func (p *Provisioner) wrapped(r *cardRow, c *mssp.Card) (*mssp.Card, error) {
	now := p.cfg.Clock.Now()
	next := &mssp.Card{ICCID: r.iccid, State: mssp.CardStock, Created: now}
	if c != nil {
		*next = *c
	}
	next.KeySet, next.Algorithm, next.Profile, next.Changed = r.keySet, r.algorithm, r.profile, now
	var err error
	if next.KIc, err = p.cfg.Keys.Wrap(r.iccid, KeyKIc, r.kic); err == nil {
		next.KID, err = p.cfg.Keys.Wrap(r.iccid, KeyKID, r.kid)
	}
	return next, err
}

// sameKeys reports whether the card has the keys and the profile of the row.
func (p *Provisioner) sameKeys(c *mssp.Card, r *cardRow) (bool, error) {
	kic, kid, err := p.keysOf(c)
	if err != nil {
		return false, refusef(err, "the stored keys of the card cannot be read: %v", err)
	}
	return c.KeySet == r.keySet && c.Algorithm == r.algorithm && c.Profile == r.profile &&
		subtle.ConstantTimeCompare(kic, r.kic)&subtle.ConstantTimeCompare(kid, r.kid) == 1, nil
}

func (p *Provisioner) keysOf(c *mssp.Card) (kic, kid []byte, err error) {
	if kic, err = p.cfg.Keys.Unwrap(c.ICCID, KeyKIc, c.KIc); err == nil {
		kid, err = p.cfg.Keys.Unwrap(c.ICCID, KeyKID, c.KID)
	}
	return kic, kid, err
}

// update sets the keys and the state of the row on a card in use or in stock.
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

// enrol creates an account with the card, which may be in stock.
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

// newDevice returns the SIM that a card becomes. Its id contains the ICCID: a card
// becomes a SIM only once, so the id is unique.
func (p *Provisioner) newDevice(iccid string, k signum.KeyType, n signum.Network) mssp.Device {
	return mssp.Device{ID: "sim-" + iccid, Method: signum.SIM, State: signum.DeviceRegistered, KeyType: k, Network: n}
}

// swap revokes the old certificate first: if something fails after that, the old SIM
// is still there and the swap can be repeated. The new SIM has the network of the old
// one, and its key type unless another is given.
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
	p.tell(ctx, mssp.NoticeSIMWaiting, "SIM swapped", sub.MSISDN, d.ID)
	return pl, nil
}

// placed tells Config.Placed.
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
		return refusef(err, "the card is stored, but its phone did not take it: %v", err)
	}
	return nil
}
