package world

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/partydoc"
	"github.com/signum-mssp/signum/internal/password"
)

// ErrNoParty means that no party has an AP_ID.
var ErrNoParty = errors.New("no such party")

// partyList are the parties as they were asked for.
type partyList struct {
	turn sync.Mutex // held while a party changes, here and in the store
	logo string     // of all parties

	mu    sync.Mutex
	list  []partydoc.Party
	start []partydoc.Party // the list of the start
}

// Overlay returns parties with others added, or put in the place of those with the same
// AP_ID.
func Overlay(parties []partydoc.Party, others ...partydoc.Party) []partydoc.Party {
	parties = slices.Clone(parties)
	for _, p := range others {
		if i := PartyIndex(parties, p.APID); i >= 0 {
			parties[i] = p
		} else {
			parties = append(parties, p)
		}
	}
	return parties
}

// PartyIndex returns the place of a party in a list, or -1.
func PartyIndex(parties []partydoc.Party, id string) int {
	return slices.IndexFunc(parties, func(p partydoc.Party) bool { return p.APID == id })
}

// openAs sets the parties of the start.
func (l *partyList) openAs(parties []partydoc.Party) {
	l.list, l.start = parties, slices.Clone(parties)
}

func (l *partyList) all() []partydoc.Party {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list)
}

func (l *partyList) find(id string) (partydoc.Party, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := PartyIndex(l.list, id); i >= 0 {
		return l.list[i], nil
	}
	return partydoc.Party{}, fmt.Errorf("%s: %w", id, ErrNoParty)
}

// set changes the list and leaves slices alone that all returned.
func (l *partyList) set(list []partydoc.Party) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = list
}

// ListParties returns the parties in the order of their AP_IDs.
func (w *World) ListParties() []partydoc.Party {
	return slices.SortedFunc(slices.Values(w.parties.all()), func(x, y partydoc.Party) int { return strings.Compare(x.APID, y.APID) })
}

// GetParty returns a party. The error is ErrNoParty if there is none.
func (w *World) GetParty(apID string) (partydoc.Party, error) { return w.parties.find(apID) }

// PutParty adds a party, or replaces it, at once and for later runs. It reports whether
// the party is new.
func (w *World) PutParty(ctx context.Context, p partydoc.Party) (created bool, err error) {
	w.parties.turn.Lock()
	defer w.parties.turn.Unlock()
	return w.putParty(ctx, p)
}

// putParty requires the turn.
func (w *World) putParty(ctx context.Context, p partydoc.Party) (created bool, err error) {
	if err := CompleteParty(&p); err != nil {
		return false, err
	}
	if err := w.notOwn(ctx, p.APID); err != nil {
		return false, err
	}
	_, err = w.parties.find(p.APID)
	created = errors.Is(err, ErrNoParty)
	if err := w.storeParty(ctx, &p); err != nil {
		return false, err
	}
	w.parties.set(Overlay(w.parties.all(), p))
	return created, w.cfg.Changed()
}

// notOwn refuses a party that the service itself is.
func (w *World) notOwn(ctx context.Context, id string) error {
	if old, err := w.service.Store.Party(ctx, id); err == nil && old.Own {
		return fmt.Errorf("%s: the service itself is this party; choose another AP_ID", id)
	}
	return nil
}

// CheckParty says what is wrong with a party, its certificates included.
func CheckParty(p *partydoc.Party) error {
	if err := p.Check(); err != nil {
		return err
	}
	return p.CheckCertificates(time.Now())
}

// CompleteParty checks a party and replaces its password by the hash.
func CompleteParty(p *partydoc.Party) error {
	err := CheckParty(p)
	if err == nil && p.Password != nil {
		if *p.Password != "" {
			p.PasswordHash = password.Hash(*p.Password)
		}
		p.Password = nil
	}
	return err
}

// SetParty changes a party by a function, at once and for later runs. The error is
// ErrNoParty if there is none.
func (w *World) SetParty(ctx context.Context, id string, change func(*partydoc.Party) error) error {
	w.parties.turn.Lock()
	defer w.parties.turn.Unlock()
	p, err := w.parties.find(id)
	if err == nil {
		err = change(&p)
	}
	if err != nil {
		return err
	}
	p.APID = id
	_, err = w.putParty(ctx, p)
	return err
}

// RemoveParty removes a party that was added. What it asked for stays on the phones until
// it is answered or expires. The error is ErrNoParty if there is none.
func (w *World) RemoveParty(ctx context.Context, id string) error {
	w.parties.turn.Lock()
	defer w.parties.turn.Unlock()
	if _, err := w.parties.find(id); err != nil {
		return err
	}
	if slices.Contains(w.cfg.Fixed, id) {
		return fmt.Errorf("%s: every sandbox has this party: it can be changed but not removed", id)
	}
	if err := w.dropParty(ctx, id); err != nil {
		return err
	}
	return w.cfg.Changed()
}

// dropParty requires the turn.
func (w *World) dropParty(ctx context.Context, id string) error {
	if err := w.service.Store.RemoveParty(ctx, id); err != nil && !errors.Is(err, mssp.ErrNotFound) {
		return fmt.Errorf("party %s: %w", id, err)
	}
	w.parties.set(slices.DeleteFunc(w.parties.all(), func(p partydoc.Party) bool { return p.APID == id }))
	return nil
}

// ResetParties gives the world the parties with which it started.
func (w *World) ResetParties(ctx context.Context) error {
	w.parties.turn.Lock()
	defer w.parties.turn.Unlock()
	for _, p := range w.parties.all() {
		if PartyIndex(w.parties.start, p.APID) < 0 {
			if err := w.dropParty(ctx, p.APID); err != nil {
				return err
			}
		}
	}
	for _, p := range w.parties.start {
		if err := w.storeParty(ctx, &p); err != nil {
			return err
		}
	}
	w.parties.set(slices.Clone(w.parties.start))
	return w.cfg.Changed()
}

// addParties stores the parties of the start.
func (w *World) addParties(ctx context.Context) error {
	if w.cfg.Logo != nil {
		if err := w.service.Store.PutLogo(ctx, w.cfg.Logo); err != nil {
			return fmt.Errorf("the logo of the parties: %w", err)
		}
		w.parties.logo = w.cfg.Logo.ID
	}
	for _, p := range w.parties.all() {
		if err := w.storeParty(ctx, &p); err != nil {
			return err
		}
	}
	return nil
}

func (w *World) storeParty(ctx context.Context, p *partydoc.Party) error {
	if err := w.service.Store.PutParty(ctx, w.realParty(p)); err != nil {
		return fmt.Errorf("party %s: %w", p.APID, err)
	}
	return nil
}

// realParty is the party as the service stores it. A certificate of its own that cannot
// identify it any more is left out, with a warning.
func (w *World) realParty(p *partydoc.Party) *mssp.Party {
	m := p.Stored(partydoc.AllRights())
	m.Logo = w.parties.logo
	if w.cfg.SharedPins != nil && partydoc.Or(p.SharedCertificates, true) {
		m.Pins = append(m.Pins, w.cfg.SharedPins()...)
	}
	for _, text := range p.Certificates {
		c, err := partydoc.ParseCertificate(text, time.Now())
		if err != nil {
			w.cfg.Logger.Warn("a certificate of the party does not count", "ap_id", p.APID, "err", err)
			continue
		}
		m.Pins = append(m.Pins, mssp.PinOf(c.Raw))
	}
	return m
}
