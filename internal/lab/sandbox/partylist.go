package sandbox

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

// partyList are the parties as they were asked for, those of every sandbox first.
type partyList struct {
	turn sync.Mutex // held while a party changes, here and in the store
	logo string     // of all parties

	mu    sync.Mutex
	list  []partydoc.Party
	start []partydoc.Party // the list when the sandbox was opened
}

// overlay returns parties with others added, or put in the place of those with the same
// AP_ID.
func overlay(parties []partydoc.Party, others ...partydoc.Party) []partydoc.Party {
	parties = slices.Clone(parties)
	for _, p := range others {
		if i := partyIndex(parties, p.APID); i >= 0 {
			parties[i] = p
		} else {
			parties = append(parties, p)
		}
	}
	return parties
}

func partyIndex(parties []partydoc.Party, id string) int {
	return slices.IndexFunc(parties, func(p partydoc.Party) bool { return p.APID == id })
}

// openAs sets the parties with which the sandbox starts.
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
	if i := partyIndex(l.list, id); i >= 0 {
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
func (b *Sandbox) ListParties() []partydoc.Party {
	return slices.SortedFunc(slices.Values(b.parties.all()), func(x, y partydoc.Party) int { return strings.Compare(x.APID, y.APID) })
}

// GetParty returns a party. The error is ErrNoParty if there is none.
func (b *Sandbox) GetParty(apID string) (partydoc.Party, error) { return b.parties.find(apID) }

// PutParty adds a party, or replaces it, at once and for later runs. It reports whether
// the party is new.
func (b *Sandbox) PutParty(ctx context.Context, p partydoc.Party) (created bool, err error) {
	b.parties.turn.Lock()
	defer b.parties.turn.Unlock()
	return b.putParty(ctx, p)
}

// putParty requires the turn.
func (b *Sandbox) putParty(ctx context.Context, p partydoc.Party) (created bool, err error) {
	if err := completeParty(&p); err != nil {
		return false, err
	}
	if err := b.notOwn(ctx, p.APID); err != nil {
		return false, err
	}
	_, err = b.parties.find(p.APID)
	created = errors.Is(err, ErrNoParty)
	if err := b.storeParty(ctx, &p); err != nil {
		return false, err
	}
	b.parties.set(overlay(b.parties.all(), p))
	return created, b.publish()
}

// notOwn refuses a party that the service itself is.
func (b *Sandbox) notOwn(ctx context.Context, id string) error {
	if old, err := b.Store.Party(ctx, id); err == nil && old.Own {
		return fmt.Errorf("%s: the service itself is this party; choose another AP_ID", id)
	}
	return nil
}

func checkParty(p *partydoc.Party) error {
	if err := p.Check(); err != nil {
		return err
	}
	return p.CheckCertificates(time.Now())
}

// completeParty checks a party and replaces its password by the hash.
func completeParty(p *partydoc.Party) error {
	err := checkParty(p)
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
func (b *Sandbox) SetParty(ctx context.Context, id string, change func(*partydoc.Party) error) error {
	b.parties.turn.Lock()
	defer b.parties.turn.Unlock()
	p, err := b.parties.find(id)
	if err == nil {
		err = change(&p)
	}
	if err != nil {
		return err
	}
	p.APID = id
	_, err = b.putParty(ctx, p)
	return err
}

// RemoveParty removes a party that was added. What it asked for stays on the phones until
// it is answered or expires. The error is ErrNoParty if there is none.
func (b *Sandbox) RemoveParty(ctx context.Context, id string) error {
	b.parties.turn.Lock()
	defer b.parties.turn.Unlock()
	if _, err := b.parties.find(id); err != nil {
		return err
	}
	if partyIndex(builtinParties(), id) >= 0 {
		return fmt.Errorf("%s: every sandbox has this party: it can be changed but not removed", id)
	}
	if err := b.dropParty(ctx, id); err != nil {
		return err
	}
	return b.publish()
}

// dropParty requires the turn.
func (b *Sandbox) dropParty(ctx context.Context, id string) error {
	if err := b.Store.RemoveParty(ctx, id); err != nil && !errors.Is(err, mssp.ErrNotFound) {
		return fmt.Errorf("party %s: %w", id, err)
	}
	b.parties.set(slices.DeleteFunc(b.parties.all(), func(p partydoc.Party) bool { return p.APID == id }))
	return nil
}

// ResetParties gives the sandbox the parties with which it started.
func (b *Sandbox) ResetParties(ctx context.Context) error {
	b.parties.turn.Lock()
	defer b.parties.turn.Unlock()
	for _, p := range b.parties.all() {
		if partyIndex(b.parties.start, p.APID) < 0 {
			if err := b.dropParty(ctx, p.APID); err != nil {
				return err
			}
		}
	}
	for _, p := range b.parties.start {
		if err := b.storeParty(ctx, &p); err != nil {
			return err
		}
	}
	b.parties.set(slices.Clone(b.parties.start))
	return b.publish()
}
