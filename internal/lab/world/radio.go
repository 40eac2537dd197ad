package world

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	mrand "math/rand/v2"
	"slices"
	"sync"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/lab/handset"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/simcards"
)

// radio has the handsets of a world with their SIM cards. The owner of
// the world connects what carries their messages.
type radio struct {
	handsets *handset.Network
	store    card.Store
	rsaKey   func() (*rsa.PrivateKey, error)
	clock    mssp.Clock
	log      *slog.Logger

	mu    sync.Mutex
	cards map[string]*card.Card // by MSISDN
}

func newRadio(cfg Config, decide person.Decider, observe func(person.Event)) *radio {
	return &radio{
		handsets: handset.New(handset.Config{Clock: cfg.Clock, Delay: cfg.PhoneDelay, Logger: cfg.Logger, Decide: decide, Observe: observe}),
		store:    cfg.Cards, rsaKey: cfg.RSAKey, clock: cfg.Clock, log: cfg.Logger, cards: make(map[string]*card.Card),
	}
}

func (r *radio) close() { r.handsets.Close() }

// insert puts a card into the handset of a number, in place of the previous one.
func (r *radio) insert(c *mssp.Card, msisdn string, keys scp80.Keys, d *mssp.Device) (*card.Card, error) {
	made, err := card.New(card.Config{
		ICCID: c.ICCID, Keys: keys, KeySet: c.KeySet, Algorithm: c.Algorithm, KeyType: d.KeyType,
		Blank: d.State == signum.DeviceRegistered, RSAKey: r.rsaKey, Store: r.store, Clock: r.clock, Logger: r.log,
	})
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.takeOut(msisdn); err != nil {
		return nil, err
	}
	if err := r.handsets.Insert(d.ID, msisdn, made); err != nil {
		return nil, err
	}
	r.cards[msisdn] = made
	return made, nil
}

// takeOut must be called with the lock held.
func (r *radio) takeOut(msisdn string) error {
	if r.cards[msisdn] == nil {
		return nil
	}
	delete(r.cards, msisdn)
	return r.handsets.Remove(msisdn)
}

func (r *radio) remove(msisdn string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.takeOut(msisdn)
}

// card returns the card in the handset of a number, or nil if there is none.
func (r *radio) card(msisdn string) *card.Card {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cards[msisdn]
}

func (r *radio) empty() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.cards) == 0
}

// unblock resets the PIN counter of a card, as a PUK does.
func (r *radio) unblock(msisdn string) {
	if c := r.card(msisdn); c != nil {
		c.Unblock()
	}
}

// placeCards puts cards that were imported in an earlier run into their users' handsets.
func (w *World) placeCards(ctx context.Context) error {
	const page = 500
	for after := ""; ; {
		cards, err := w.service.Store.AssignedCards(ctx, after, page)
		if err != nil {
			return err
		}
		for _, c := range cards {
			after = c.ICCID
			if w.radio.card(c.MSISDN) != nil || w.isDamaged(c.ICCID) {
				continue
			}
			if _, err := w.insertCard(c, c.MSISDN, &mssp.Device{ID: c.DeviceID, State: signum.DeviceRegistered}); err != nil {
				if err := w.withoutCard(c.MSISDN, err); err != nil {
					return err
				}
			}
		}
		if len(cards) < page {
			return nil
		}
	}
}

// insertSIM puts the card of a device into its user's handset. A device without a
// card gets a new one.
func (w *World) insertSIM(ctx context.Context, s *mssp.Subscriber, d *mssp.Device) (*card.Card, error) {
	c, err := w.service.Store.CardOf(ctx, s.MSISDN)
	if errors.Is(err, mssp.ErrNotFound) {
		c, err = w.newSIM(ctx, s.MSISDN, d.ID)
	}
	if err != nil {
		return nil, err
	}
	return w.insertCard(c, s.MSISDN, d)
}

// cardError means that one card cannot be used: its keys in the database or its file
// are damaged.
type cardError struct {
	iccid string
	err   error
}

func (e *cardError) Error() string { return fmt.Sprintf("card %s: %v", e.iccid, e.err) }
func (e *cardError) Unwrap() error { return e.err }

func (w *World) insertCard(c *mssp.Card, msisdn string, d *mssp.Device) (*card.Card, error) {
	keys, err := w.service.KeyRing.Keys(c)
	if err != nil {
		return nil, &cardError{c.ICCID, err}
	}
	err = w.checkCard(c, d)
	if err != nil {
		return nil, &cardError{c.ICCID, err}
	}
	made, err := w.radio.insert(c, msisdn, keys, d)
	if err != nil {
		return nil, &cardError{c.ICCID, err}
	}
	return made, nil
}

// withoutCard lets a user's phone start without a card that is damaged, because
// the other users need the sandbox. It returns any other error.
func (w *World) withoutCard(msisdn string, err error) error {
	var damaged *cardError
	if !errors.As(err, &damaged) {
		return err
	}
	w.damaged = append(w.damaged, damaged)
	w.cfg.Logger.Error("phone without its card", "msisdn", signum.MaskMSISDN(msisdn), "iccid", damaged.iccid, "err", damaged.err)
	return nil
}

// isDamaged reports whether a phone starts without this card.
func (w *World) isDamaged(iccid string) bool {
	return slices.ContainsFunc(w.damaged, func(err error) bool {
		c, ok := errors.AsType[*cardError](err)
		return ok && c.iccid == iccid
	})
}

// anyCard returns an error if every card is damaged: then the fault is not theirs.
func (w *World) anyCard() error {
	if len(w.damaged) > 0 && w.radio.empty() {
		return fmt.Errorf("none of the cards can be used: %w", w.damaged[0])
	}
	return nil
}

// newSIM makes the record of a card, as a factory would.
func (w *World) newSIM(ctx context.Context, msisdn, deviceID string) (*mssp.Card, error) {
	c := &mssp.Card{ICCID: card.NewICCID(msisdn[1:]), DeviceID: deviceID, MSISDN: msisdn, State: mssp.CardActive, KeySet: 1, Algorithm: mssp.CardAES}
	c.Created = w.cfg.Clock.Now()
	c.Changed = c.Created
	if _, err := w.service.Store.Card(ctx, c.ICCID); err == nil { // the card of a user who has another number now
		c.ICCID = card.NewICCID(fmt.Sprint(1 + mrand.Int64N(1e14-1)))
	}
	keys := make([]byte, 32)
	if _, err := rand.Read(keys); err != nil {
		return nil, err
	}
	if err := w.service.KeyRing.SetKeys(c, scp80.Keys{KIc: keys[:16], KID: keys[16:]}); err != nil {
		return nil, err
	}
	return c, w.service.Store.PutCard(ctx, c)
}

// CardAssigned puts a provisioned card into its user's handset, or takes it out. A card
// that is there already stays. It is simcards.Config.Placed.
func (w *World) CardAssigned(_ context.Context, c simcards.ImportedCard) error {
	if c.OldMSISDN != "" {
		if err := w.radio.remove(c.OldMSISDN); err != nil {
			return err
		}
	}
	if c.MSISDN == "" {
		return nil
	}
	if c.Change == simcards.ChangeNone && w.radio.card(c.MSISDN) != nil {
		return nil
	}
	record := &mssp.Card{ICCID: c.ICCID, KeySet: c.KeySet, Algorithm: c.Algorithm}
	_, err := w.radio.insert(record, c.MSISDN, scp80.Keys{KIc: c.KIc, KID: c.KID},
		&mssp.Device{ID: c.DeviceID, KeyType: c.KeyType, State: signum.DeviceRegistered})
	return err
}

// checkCard refuses a card that was used but has lost its memory: a new one would have
// another key, and counters that the service has seen.
func (w *World) checkCard(c *mssp.Card, d *mssp.Device) error {
	if c.Counter == 0 && c.ReplyCounter == 0 && d.Certificate == nil {
		return nil
	}
	if _, err := w.radio.store.LoadCard(c.ICCID); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the card was used, but has lost its memory%s", w.cfg.CardLost)
	}
	return nil
}
