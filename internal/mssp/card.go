package mssp

import (
	"context"
	"errors"
	"time"
)

// CardState is the state of a SIM card as the service records it.
type CardState string

// The states of a card.
const (
	CardActive  CardState = "ACTIVE"  // in a subscriber's phone
	CardBlocked CardState = "BLOCKED" // lost or stolen: nothing is sent to it (CardBlocked is a status code)
	CardRetired CardState = "RETIRED" // swapped out, for good
	CardStock   CardState = "STOCK"   // in no phone yet
)

// Algorithms of a card's key set (TS 102 225, clause 5.1).
const (
	CardAES  = "AES"  // KIc and KID of 16, 24 or 32 bytes
	Card3DES = "3DES" // of 16 or 24 bytes
)

// MaxCardCounter is the highest value of the counters of secured packets
// (TS 102 225, clause 5.1.3: five octets). They never wrap.
const MaxCardCounter = 1<<40 - 1

// ReplyWindow is how far the counter of a reply may be below the highest one that
// the card has used: the network reorders short messages.
const ReplyWindow = 64

// Card is a SIM card with an applet that signs.
type Card struct {
	ICCID     string // 18 to 20 digits (ITU-T E.118)
	DeviceID  string // of the subscriber's SIM; empty while in stock or retired
	MSISDN    string // of that subscriber; set when read, ignored when written
	State     CardState
	KeySet    byte   // 1 to 15: the version of the keys on the card
	Algorithm string // CardAES or Card3DES
	KIc       []byte // the ciphering key, wrapped
	KID       []byte // the key of the cryptographic checksum, wrapped
	Profile   string // the name of its profile in the configuration; empty: DefaultProfile

	Counter uint64 // the last one used towards the card
	// ReplyCounter is the highest counter that the card has used in a reply. ReplySeen
	// says which of those below it were used: bit i stands for ReplyCounter-1-i.
	ReplyCounter uint64
	ReplySeen    uint64

	Created time.Time
	Changed time.Time // when state, device or keys changed last; counters do not count
}

// DefaultProfile is the profile of a card that names none.
const DefaultProfile = "default"

// Errors of a CardStore.
var (
	// ErrCounter means that a card has no counter left: it needs a new key set.
	ErrCounter = errors.New("the counter of the card is used up")
	// ErrExists means that something with this key exists already.
	ErrExists = errors.New("exists already")
	// ErrCardState means that the state of the card does not allow this.
	ErrCardState = errors.New("the card is not in a state for this")
)

// CounterAdvance says which counters AdvanceCounters moves.
type CounterAdvance struct {
	ICCID  string // of the only card; empty: all cards that are not retired
	After  string // only cards with a higher ICCID
	Most   int    // cards, about; 0: all
	By     uint64 // 1 to MaxCardCounter
	DryRun bool   // only count
	// Progress is called after each part of the cards; nil: nobody is told.
	Progress func(CounterAdvanced)
}

// CounterAdvanced is what AdvanceCounters did so far.
type CounterAdvanced struct {
	Moved   int    `json:"moved"`   // cards whose counter was moved
	Refused int    `json:"refused"` // cards whose counter would exceed MaxCardCounter: it was not moved
	Least   uint64 `json:"least"`   // how many counters the card with the fewest has left; MaxCardCounter if there is no card
	// Last is the highest ICCID so far. It is empty if no card is left.
	Last string `json:"last,omitempty"`
}

// CardStore keeps SIM cards. Keys and counters belong together: no counter is
// used twice with the same keys.
//
// A card that is active or blocked belongs to the device of a subscriber's SIM;
// any other card belongs to none. When PutSubscriber drops a device, its card is
// retired and keeps its counters.
type CardStore interface {
	// PutCard inserts a card, or replaces everything of it but Created and the
	// counters. The counters of c are used only for a new card. An existing card
	// keeps its own, unless KeySet or Algorithm changes: then they start over,
	// because the new keys have not seen any. ErrNotFound if there is no such device,
	// ErrExists if it has another card. The state of the device does not change; see
	// SetCardState.
	PutCard(ctx context.Context, c *Card) error
	// RekeyCard gives a card the KeySet, Algorithm, KIc, KID, Profile and Changed of c. It
	// changes nothing else, so that it does not undo what others do to the card at
	// the same time. Counters are as with PutCard. ErrNotFound.
	RekeyCard(ctx context.Context, c *Card) error
	// EnrolCard inserts a new account with its SIM, the only device of s, and the
	// card of that SIM; all or nothing. If the card is in stock, it is replaced as by
	// PutCard. ErrExists if the account or the device exists, or if the card exists
	// and is not in stock.
	EnrolCard(ctx context.Context, s *Subscriber, c *Card) error
	// Card finds a card by its ICCID; ErrNotFound.
	Card(ctx context.Context, iccid string) (*Card, error)
	// CardOf finds the card of a subscriber's SIM, active or blocked; ErrNotFound.
	CardOf(ctx context.Context, msisdn string) (*Card, error)
	// AssignedCards lists the cards in subscribers' phones, active or blocked, in the
	// order of their ICCIDs and starting after the given one. A page with fewer than
	// limit cards is the last. Cards that cannot be read are left out.
	AssignedCards(ctx context.Context, after string, limit int) ([]*Card, error)
	// CardProfiles lists the profiles that cards name.
	CardProfiles(ctx context.Context) ([]string, error)
	// TakeCounter returns the next counter towards a card that is at least the given
	// one; the first is 1. The counter is on disk before TakeCounter returns, and no
	// other caller gets it or a lower one. ErrNotFound; ErrCardState if the card is not
	// active, so that nothing is sent to a card once it is blocked; ErrCounter after
	// MaxCardCounter.
	TakeCounter(ctx context.Context, iccid string, least uint64) (uint64, error)
	// AdvanceCounters moves the counters towards cards forward by a.By. It does so for
	// a limited number of cards at a time, so that others can write in between. What
	// was done before an error stays done.
	AdvanceCounters(ctx context.Context, a CounterAdvance) (CounterAdvanced, error)
	// AcceptReply records the counter of a reply whose authenticity was checked. False
	// means that nothing changed, because the counter was seen before (0 counts as
	// seen), is more than ReplyWindow below the highest, or exceeds MaxCardCounter.
	// The state of the card does not matter. ErrNotFound.
	AcceptReply(ctx context.Context, iccid string, counter uint64) (bool, error)
	// SetCardState blocks an active card, makes a blocked card active, or retires a
	// card from stock. The device of a blocked card becomes inactive in the same
	// transaction. When the card becomes active again, its device becomes active if
	// its certificate is good, registered if it has none, and stays inactive if the
	// certificate was revoked meanwhile. Setting the state that the card has changes
	// nothing. ErrNotFound; ErrCardState for any other change.
	SetCardState(ctx context.Context, iccid string, to CardState, at time.Time) error
	// SwapCard gives a subscriber another card, in one transaction. It retires the old
	// card and deletes its device and any other SIM of the account. The new card,
	// which must be in stock, becomes active with newDevice. An account without a SIM
	// gets its first one. Certificates do not change: the caller revokes the old one
	// first.
	//
	// A swap ends no transaction. What is outstanding for the old device can no longer
	// be answered, because an answer must come from the device that was asked. It
	// expires, and until then the new SIM is busy. ErrNotFound if there is no such
	// subscriber or card, ErrCardState if the card is not in stock, ErrExists if the
	// device exists.
	SwapCard(ctx context.Context, msisdn, newICCID string, newDevice Device, at time.Time) error
	// RenumberSubscriber moves an account with its devices, cards, Apps, invite and
	// consents to another number, in one transaction. It deletes an invite and
	// consents that wait for an account at the new number. Transactions and receipts do not move, because they
	// record what was asked of the old number. An outstanding one can be answered only
	// by a phone that is still known by that number; otherwise it expires. ErrNotFound
	// if there is no such account, ErrExists if the new number has one.
	RenumberSubscriber(ctx context.Context, oldMSISDN, newMSISDN string) error
}
