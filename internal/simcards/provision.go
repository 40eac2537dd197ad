package simcards

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// Store is what provisioning needs of a mssp.Store.
type Store interface {
	Subscriber(ctx context.Context, msisdn string) (*mssp.Subscriber, error)
	PutCard(ctx context.Context, c *mssp.Card) error
	RekeyCard(ctx context.Context, c *mssp.Card) error
	EnrolCard(ctx context.Context, s *mssp.Subscriber, c *mssp.Card) error
	Card(ctx context.Context, iccid string) (*mssp.Card, error)
	CardOf(ctx context.Context, msisdn string) (*mssp.Card, error)
	SetCardState(ctx context.Context, iccid string, to mssp.CardState, at time.Time) error
	SwapCard(ctx context.Context, msisdn, newICCID string, newDevice mssp.Device, at time.Time) error
	RenumberSubscriber(ctx context.Context, oldMSISDN, newMSISDN string) error
	EndDevice(ctx context.Context, deviceID string, why mssp.DeviceEnd, at time.Time) error
	ReopenDevice(ctx context.Context, deviceID string) error
	AdvanceCounters(ctx context.Context, a mssp.CounterAdvance) (mssp.CounterAdvanced, error)
	PutConsent(ctx context.Context, c *mssp.Consent) error
}

// Config is what a Provisioner works with.
type Config struct {
	Store Store
	Keys  *KeyRing
	// ParseMSISDN returns a number in canonical form, E.164 with leading +; false if it
	// is not the number of a mobile user.
	ParseMSISDN func(string) (string, bool)
	// NewSerial returns a new serial number for an account.
	NewSerial func() string
	// Revoke revokes a certificate with a CRLReason of RFC 5280, clause 5.3.1.
	Revoke func(ctx context.Context, serial string, reason int) error
	// Network is the network of SIMs for which no other is known.
	Network signum.Network
	// Profiles returns the names of the card profiles that an import may use, besides
	// mssp.DefaultProfile. Nil: there are no others.
	Profiles func() []string
	// Placed is called for each card of an import and each card that was moved, once
	// it is in the store: where cards are emulated, it puts the card into a phone. It
	// may be called again for the same card and must then change nothing. Several
	// goroutines may call it at the same time. May be nil.
	Placed func(ctx context.Context, c ImportedCard) error
	// Recheck ends what waits for a SIM that has ended; see mssp.Inbox. May be nil.
	Recheck func(ctx context.Context, msisdn string) error
	// Notifier tells users what happened to their SIM. May be nil.
	Notifier mssp.Notifier
	Clock    mssp.Clock   // nil: the machine's
	Logger   *slog.Logger // nil: none
}

// ImportedCard is a card after a change, with its keys in the clear. It never prints
// them.
type ImportedCard struct {
	ICCID     string
	MSISDN    string // empty in stock
	DeviceID  string // empty in stock
	State     mssp.CardState
	KeySet    byte
	Algorithm string // mssp.CardAES or mssp.Card3DES
	KIc, KID  []byte // copies that the receiver owns
	KeyType   signum.KeyType
	Change    Change
	// OldMSISDN and OldICCID are the number and the card that the subscriber had
	// before; empty if unchanged.
	OldMSISDN, OldICCID string
}

// Format implements fmt.Formatter: no verb prints the keys.
func (c ImportedCard) Format(s fmt.State, _ rune) {
	fmt.Fprintf(s, "card %s of %s, %s, %s", c.ICCID, signum.MaskMSISDN(c.MSISDN), c.State, c.Change)
}

// Change says what happened to a card.
type Change string

// The changes.
const (
	ChangeNew        Change = "new"        // the card, and the account or SIM if it has a number
	ChangeSwapped    Change = "swapped"    // it replaced another card
	ChangeRenumbered Change = "renumbered" // its subscriber has another number
	ChangeUpdated    Change = "updated"    // keys or state changed
	ChangeNone       Change = "unchanged"
)

// cessationOfOperation is the CRLReason of a SIM's certificate when another card
// replaces the SIM (RFC 5280, clause 5.3.1; X.509, clause 8.5.3.1): the key is no
// longer used, and nothing suggests that it is compromised. Superseded (4) would mean
// that another certificate replaces it, but the new card makes its key later, or
// never.
const cessationOfOperation = 5

// Refusal is the error of a request or row that was refused. Its text is for the
// operator; it contains no secrets and masks numbers.
type Refusal struct {
	Reason string
	Err    error // may be nil
}

func (r *Refusal) Error() string { return r.Reason }

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Err }

func refusef(cause error, format string, args ...any) error {
	return &Refusal{Reason: fmt.Sprintf(format, args...), Err: cause}
}

// Provisioner brings cards into the store and moves them, as the systems of an
// operator ask for. It is safe for concurrent use: changes through one Provisioner
// are made one after the other where their order matters.
type Provisioner struct {
	cfg  Config
	turn chan struct{} // holds one token
}

// New returns a Provisioner.
func New(cfg Config) (*Provisioner, error) {
	if cfg.Store == nil || cfg.Keys == nil || cfg.ParseMSISDN == nil || cfg.NewSerial == nil || cfg.Revoke == nil {
		return nil, errors.New("simcards: a provisioner needs Store, Keys, ParseMSISDN, NewSerial and Revoke")
	}
	if cfg.Clock == nil {
		cfg.Clock = mssp.SystemClock{}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Provisioner{cfg: cfg, turn: make(chan struct{}, 1)}
	p.turn <- struct{}{}
	return p, nil
}

// lock waits for this caller's turn; unlock ends it.
func (p *Provisioner) lock(ctx context.Context) (unlock func(), err error) {
	select {
	case <-p.turn:
		return func() { p.turn <- struct{}{} }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *Provisioner) msisdn(text string) (string, error) {
	n, ok := p.cfg.ParseMSISDN(text)
	if !ok {
		return "", refusef(nil, "%q is not the number of a mobile user", text)
	}
	return n, nil
}

// card returns nil if there is no such card.
func (p *Provisioner) card(ctx context.Context, iccid string) (*mssp.Card, error) {
	c, err := p.cfg.Store.Card(ctx, iccid)
	if errors.Is(err, mssp.ErrNotFound) {
		return nil, nil
	}
	return c, err
}

// account returns nil if the number has no account.
func (p *Provisioner) account(ctx context.Context, msisdn string) (*mssp.Subscriber, error) {
	s, err := p.cfg.Store.Subscriber(ctx, msisdn)
	if errors.Is(err, mssp.ErrNotFound) {
		return nil, nil
	}
	return s, err
}

// Swap gives a subscriber a card from stock. It revokes the certificate of the old SIM
// (cessationOfOperation) and registers the new SIM, which makes its key when it is
// activated. At that moment the account gets another serial number, unless its owner
// has consented to the new SIM, or keepSerial is set: the operator then answers for the
// card being in the hands of the owner. Swapping to the same card again changes nothing
// else.
func (p *Provisioner) Swap(ctx context.Context, msisdn, iccid string, keepSerial bool) error {
	msisdn, err := p.msisdn(msisdn)
	if err == nil {
		err = checkICCID(iccid)
	}
	if err != nil {
		return err
	}
	unlock, err := p.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	c, err := p.card(ctx, iccid)
	if err != nil {
		return err
	}
	switch {
	case c == nil:
		return refusef(mssp.ErrNotFound, "there is no card %s: import it first, with an empty msisdn", iccid)
	case c.MSISDN == msisdn:
		if keepSerial {
			if err := p.allow(ctx, msisdn, c.DeviceID); err != nil {
				return err
			}
		}
		return p.placed(ctx, &placement{card: c, change: ChangeNone})
	case c.State != mssp.CardStock:
		return refusef(mssp.ErrCardState, "card %s is %s, not in stock", iccid, c.State)
	}
	sub, err := p.account(ctx, msisdn)
	if err != nil {
		return err
	}
	if sub == nil {
		return refusef(mssp.ErrNotFound, "%s has no account: import the card with its number", signum.MaskMSISDN(msisdn))
	}
	pl, err := p.swap(ctx, sub, c, "")
	if err == nil && keepSerial {
		err = p.allow(ctx, msisdn, pl.card.DeviceID)
	}
	if err != nil {
		return err
	}
	return p.placed(ctx, pl)
}

// Renumber gives a subscriber another number. The account keeps everything, including
// its certificates: they name the account, not the number.
func (p *Provisioner) Renumber(ctx context.Context, from, to string) error {
	from, err := p.msisdn(from)
	if err == nil {
		to, err = p.msisdn(to)
	}
	if err != nil {
		return err
	}
	unlock, err := p.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := p.renumber(ctx, from, to); err != nil {
		return err
	}
	c, err := p.cfg.Store.CardOf(ctx, to)
	if errors.Is(err, mssp.ErrNotFound) {
		return nil // an account without a card
	}
	if err != nil {
		return err
	}
	return p.placed(ctx, &placement{card: c, change: ChangeRenumbered, oldMSISDN: from})
}

func (p *Provisioner) renumber(ctx context.Context, from, to string) error {
	err := p.cfg.Store.RenumberSubscriber(ctx, from, to)
	switch {
	case errors.Is(err, mssp.ErrNotFound):
		return refusef(err, "%s has no account", signum.MaskMSISDN(from))
	case errors.Is(err, mssp.ErrExists):
		return refusef(err, "%s has an account of its own: renumber that account first", signum.MaskMSISDN(to))
	}
	return err
}

// SetState blocks a card (mssp.CardBlocked) or unblocks it (mssp.CardActive). Nothing
// is sent to a blocked card, and its SIM counts as inactive: requests are answered as
// if the subscriber had no SIM (105, or the App is asked). When the card is unblocked,
// its SIM is what it was before: active again, with its old key, or registered. A SIM
// that has ended stays inactive.
func (p *Provisioner) SetState(ctx context.Context, iccid string, to mssp.CardState) error {
	if err := checkICCID(iccid); err != nil {
		return err
	}
	unlock, err := p.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return p.setState(ctx, iccid, to)
}

func (p *Provisioner) setState(ctx context.Context, iccid string, to mssp.CardState) error {
	err := p.cfg.Store.SetCardState(ctx, iccid, to, p.cfg.Clock.Now())
	switch {
	case errors.Is(err, mssp.ErrNotFound):
		return refusef(err, "there is no card %s", iccid)
	case errors.Is(err, mssp.ErrCardState):
		return refusef(err, "card %s cannot become %s: only a card in use can be blocked or unblocked", iccid, to)
	}
	return err
}

// CardInfo is what may be shown of a card: no secrets.
type CardInfo struct {
	ICCID        string         `json:"iccid"`
	State        mssp.CardState `json:"state"`
	MSISDN       string         `json:"msisdn,omitempty"`
	KeySet       byte           `json:"key_set"`
	Algorithm    string         `json:"algorithm"`
	Profile      string         `json:"profile"`
	Counter      uint64         `json:"counter"`       // the last one used towards the card
	ReplyCounter uint64         `json:"reply_counter"` // the highest one that the card used
	Created      time.Time      `json:"created"`
	Changed      time.Time      `json:"changed"`
	SIM          *SIMInfo       `json:"sim,omitempty"` // absent in stock and when retired
}

// SIMInfo is the SIM, an account's device, that a card is.
type SIMInfo struct {
	DeviceID     string               `json:"device_id"`
	Account      string               `json:"account"` // serial number
	AccountState mssp.SubscriberState `json:"account_state"`
	State        signum.DeviceState   `json:"state"`
	KeyType      signum.KeyType       `json:"key_type,omitempty"`
	PINBlocked   bool                 `json:"pin_blocked"`
	Certificate  *CertificateInfo     `json:"certificate,omitempty"`
}

// CertificateInfo is the certificate of a SIM.
type CertificateInfo struct {
	Serial   string                `json:"serial"`
	State    mssp.CertificateState `json:"state"`
	NotAfter time.Time             `json:"not_after"`
}

// Show finds a card by its ICCID, or by the number of its subscriber.
func (p *Provisioner) Show(ctx context.Context, name string) (*CardInfo, error) {
	c, err := p.find(ctx, name)
	if err != nil {
		return nil, err
	}
	info := &CardInfo{ICCID: c.ICCID, State: c.State, MSISDN: c.MSISDN, KeySet: c.KeySet, Algorithm: c.Algorithm,
		Profile: cmp.Or(c.Profile, mssp.DefaultProfile), Counter: c.Counter, ReplyCounter: c.ReplyCounter, Created: c.Created, Changed: c.Changed}
	if c.MSISDN == "" {
		return info, nil
	}
	sub, err := p.account(ctx, c.MSISDN)
	if err != nil {
		return nil, err
	}
	if d := deviceOf(sub, c.DeviceID); d != nil {
		info.SIM = &SIMInfo{DeviceID: d.ID, Account: sub.Serial, AccountState: sub.State, State: d.State, KeyType: d.KeyType,
			PINBlocked: d.PINBlocked}
		if x := d.Certificate; x != nil {
			info.SIM.Certificate = &CertificateInfo{Serial: x.Serial, State: x.State, NotAfter: x.NotAfter}
		}
	}
	return info, nil
}

func (p *Provisioner) find(ctx context.Context, name string) (*mssp.Card, error) {
	if checkICCID(name) == nil {
		c, err := p.cfg.Store.Card(ctx, name)
		if errors.Is(err, mssp.ErrNotFound) {
			err = refusef(err, "there is no card %s", name)
		}
		return c, err
	}
	msisdn, ok := p.cfg.ParseMSISDN(name)
	if !ok {
		return nil, refusef(nil, "%q is neither an ICCID (18 to 20 digits, the last a check digit) nor the number of a mobile user", name)
	}
	c, err := p.cfg.Store.CardOf(ctx, msisdn)
	if errors.Is(err, mssp.ErrNotFound) {
		err = refusef(err, "%s has no card", signum.MaskMSISDN(msisdn))
	}
	return c, err
}

// deviceOf returns nil if the subscriber has no such device. The subscriber may be
// nil.
func deviceOf(s *mssp.Subscriber, id string) *mssp.Device {
	if s == nil {
		return nil
	}
	for i := range s.Devices {
		if s.Devices[i].ID == id {
			return &s.Devices[i]
		}
	}
	return nil
}

func (c *Config) profiles() []string {
	if c.Profiles == nil {
		return nil
	}
	return c.Profiles()
}
