package sandbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/lab/handset"
	"github.com/signum-mssp/signum/internal/lab/phones"
	"github.com/signum-mssp/signum/internal/lab/smsc"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/simcards"
)

// How the SMSC knows the service.
const (
	smscUser    = "signum"
	smscBinds   = 2
	smscWindow  = 100
	serviceCode = "41790000500" // the number to which cards reply
)

// radio is the mobile network of a sandbox: an SMSC on loopback, and handsets
// with SIM cards. All traffic between the service and a card goes through it, as
// in an operator's network.
type radio struct {
	handsets *handset.Network
	password string     // for the SMSC, a new one in each run, against other users of the machine
	smsc     *smsc.SMSC // nil: an external one
	store    card.Store
	cardsDir *card.Dir // store, unless it is the caller's
	clock    mssp.Clock
	log      *slog.Logger

	mu    sync.Mutex
	cards map[string]*card.Card // by MSISDN
}

func newRadio(cfg Config, dir string) (*radio, error) {
	r := &radio{password: rand.Text()[:8], store: cfg.Cards, clock: cfg.Clock, log: cfg.Logger, cards: make(map[string]*card.Card)}
	var err error
	if r.store == nil {
		if r.cardsDir, err = card.OpenDir(filepath.Join(dir, privateDir, cardsDir)); err != nil {
			return nil, err
		}
		r.store = r.cardsDir
	}
	r.handsets = handset.New(handset.Config{Clock: cfg.Clock, Delay: cfg.PhoneDelay, Logger: cfg.Logger, Observe: cfg.Observe})
	if cfg.SMSC != "" {
		return r, nil
	}
	r.smsc, err = smsc.New(smsc.Config{
		Addr: "127.0.0.1:0", Credentials: map[string]string{smscUser: r.password}, Radio: phones.Air{Network: r.handsets}, Clock: cfg.Clock, Logger: cfg.Logger,
	})
	if err != nil {
		return nil, errors.Join(err, r.close())
	}
	r.handsets.Connect(r.smsc.Submit)
	return r, nil
}

// smscConfig returns how the node binds to the SMSC, the sandbox's own or the one at the
// address, and how often the SMSC must report a phone as absent before it is believed.
func (r *radio) smscConfig(address string) (c config.SMSC, absent int, err error) {
	absent = config.Default().SIM.Retry.Absent
	if r.smsc == nil {
		c, err = ParseSMSC(address)
		return c, absent, err
	}
	c = config.DefaultSMSC()
	c.Name, c.Address, c.SystemID, c.Password = ownSMSC, config.Address(r.smsc.Addr()), smscUser, config.NewSecret(r.password)
	c.Transceivers, c.Window = smscBinds, smscWindow
	return c, 1, nil // the emulated network knows at once who is out of reach
}

// close shuts the network down. Messages in the SMSC are lost; the service repeats them.
func (r *radio) close() error {
	if r.smsc != nil {
		r.smsc.Close()
	}
	r.handsets.Close()
	if r.cardsDir != nil {
		return r.cardsDir.Close()
	}
	return nil
}

// insert puts a card into the handset of a number, in place of the previous one.
func (r *radio) insert(c *mssp.Card, msisdn string, keys scp80.Keys, d *mssp.Device) (*card.Card, error) {
	made, err := card.New(card.Config{
		ICCID: c.ICCID, Keys: keys, KeySet: c.KeySet, Algorithm: c.Algorithm, KeyType: d.KeyType,
		Blank: d.State == signum.DeviceRegistered, Store: r.store, Clock: r.clock, Logger: r.log,
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

// masterFile holds the key that wraps the keys of cards in the database. Without
// it those keys are lost.
const masterFile = "sim-master.key"

// masterKey loads or makes the key that wraps the keys of cards in the database.
func masterKey(dir string) ([]byte, error) {
	path := filepath.Join(dir, privateDir, masterFile)
	key, err := readSecret(path)
	if err == nil && len(key) != simcards.MasterKeySize {
		err = damaged(path, fmt.Errorf("the master key of the cards has %d octets, not %d", len(key), simcards.MasterKeySize))
	}
	if !errors.Is(err, os.ErrNotExist) {
		return key, err
	}
	key = make([]byte, simcards.MasterKeySize)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	return key, writeFile(path, key, 0o600)
}

// placeCards puts cards that were imported in an earlier run into their users' handsets.
func (b *Sandbox) placeCards(ctx context.Context) error {
	const page = 500
	for after := ""; ; {
		cards, err := b.Store.AssignedCards(ctx, after, page)
		if err != nil {
			return err
		}
		for _, c := range cards {
			after = c.ICCID
			if b.radio.card(c.MSISDN) != nil || b.isDamaged(c.ICCID) {
				continue
			}
			if _, err := b.insertCard(c, c.MSISDN, &mssp.Device{ID: c.DeviceID, State: signum.DeviceRegistered}); err != nil {
				if err := b.withoutCard(c.MSISDN, err); err != nil {
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
func (b *Sandbox) insertSIM(ctx context.Context, s *mssp.Subscriber, d *mssp.Device) (*card.Card, error) {
	c, err := b.Store.CardOf(ctx, s.MSISDN)
	if errors.Is(err, mssp.ErrNotFound) {
		c, err = b.newSIM(ctx, s.MSISDN, d.ID)
	}
	if err != nil {
		return nil, err
	}
	return b.insertCard(c, s.MSISDN, d)
}

// cardError means that one card cannot be used: its keys in the database or its file
// are damaged.
type cardError struct {
	iccid string
	err   error
}

func (e *cardError) Error() string { return fmt.Sprintf("card %s: %v", e.iccid, e.err) }
func (e *cardError) Unwrap() error { return e.err }

func (b *Sandbox) insertCard(c *mssp.Card, msisdn string, d *mssp.Device) (*card.Card, error) {
	keys, err := b.KeyRing.Keys(c)
	if err != nil {
		return nil, &cardError{c.ICCID, err}
	}
	err = checkCard(b.radio.store, c, d)
	if err != nil {
		return nil, &cardError{c.ICCID, err}
	}
	made, err := b.radio.insert(c, msisdn, keys, d)
	if err != nil {
		return nil, &cardError{c.ICCID, err}
	}
	return made, nil
}

// withoutCard lets a user's phone start without a card that is damaged, because
// the other users need the sandbox. It returns any other error.
func (b *Sandbox) withoutCard(msisdn string, err error) error {
	var damaged *cardError
	if !errors.As(err, &damaged) {
		return err
	}
	b.damaged = append(b.damaged, damaged)
	b.cfg.Logger.Error("phone without its card", "msisdn", signum.MaskMSISDN(msisdn), "iccid", damaged.iccid, "err", damaged.err)
	return nil
}

// isDamaged reports whether a phone starts without this card.
func (b *Sandbox) isDamaged(iccid string) bool {
	return slices.ContainsFunc(b.damaged, func(err error) bool {
		c, ok := errors.AsType[*cardError](err)
		return ok && c.iccid == iccid
	})
}

// anyCard returns an error if every card is damaged: then the fault is not theirs.
func (b *Sandbox) anyCard() error {
	if len(b.damaged) > 0 && b.radio.empty() {
		return fmt.Errorf("none of the cards can be used: %w", b.damaged[0])
	}
	return nil
}

// newSIM makes the record of a card, as a factory would.
func (b *Sandbox) newSIM(ctx context.Context, msisdn, deviceID string) (*mssp.Card, error) {
	c := &mssp.Card{ICCID: card.NewICCID(msisdn[1:]), DeviceID: deviceID, MSISDN: msisdn, State: mssp.CardActive, KeySet: 1, Algorithm: mssp.CardAES}
	c.Created = b.cfg.Clock.Now()
	c.Changed = c.Created
	if _, err := b.Store.Card(ctx, c.ICCID); err == nil { // the card of a user who has another number now
		c.ICCID = card.NewICCID(fmt.Sprint(1 + mrand.Int64N(1e14-1)))
	}
	keys := make([]byte, 32)
	if _, err := rand.Read(keys); err != nil {
		return nil, err
	}
	if err := b.KeyRing.SetKeys(c, scp80.Keys{KIc: keys[:16], KID: keys[16:]}); err != nil {
		return nil, err
	}
	return c, b.Store.PutCard(ctx, c)
}

// assigned puts a provisioned card into its user's handset, or takes it out. A card
// that is there already stays.
func (r *radio) assigned(_ context.Context, c simcards.ImportedCard) error {
	if c.OldMSISDN != "" {
		if err := r.remove(c.OldMSISDN); err != nil {
			return err
		}
	}
	if c.MSISDN == "" {
		return nil
	}
	if c.Change == simcards.ChangeNone && r.card(c.MSISDN) != nil {
		return nil
	}
	record := &mssp.Card{ICCID: c.ICCID, KeySet: c.KeySet, Algorithm: c.Algorithm}
	_, err := r.insert(record, c.MSISDN, scp80.Keys{KIc: c.KIc, KID: c.KID},
		&mssp.Device{ID: c.DeviceID, KeyType: c.KeyType, State: signum.DeviceRegistered})
	return err
}
