package mssp

import (
	"context"
	"errors"
	"time"
)

// CardState is the state of a SIM card in the service's books.
type CardState string

// States of a card.
const (
	CardActive  CardState = "ACTIVE"  // in a subscriber's phone
	CardBlocked CardState = "BLOCKED" // lost or stolen: nothing is sent to it (CardBlocked is a status code)
	CardRetired CardState = "RETIRED" // swapped out; never comes back
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

// ReplyWindow is how many counters below the highest one a reply of a card may
// have: the network changes the order of short messages.
const ReplyWindow = 64

// Card is a SIM card with an applet that signs.
type Card struct {
	ICCID     string // 18 to 20 digits (ITU-T E.118)
	DeviceID  string // of the subscriber's SIM; empty while in stock or retired
	MSISDN    string // of that subscriber; joined on reading, not kept
	State     CardState
	KeySet    byte   // 1 to 15: the version of the keys on the card
	Algorithm string // CardAES or Card3DES
	KIc       []byte // to cipher; wrapped, never the key itself
	KID       []byte // for the cryptographic checksum; wrapped

	Counter uint64 // the last one used towards the card
	// ReplyCounter is the highest one that the card used in a reply, and ReplySeen
	// tells which of those below were: bit i is that of ReplyCounter-1-i.
	ReplyCounter uint64
	ReplySeen    uint64

	Created time.Time
	Changed time.Time // state, device or keys; the counters leave it alone
}

// Errors of a CardStore.
var (
	// ErrCounter means that a card has no counter left: it needs a new key set.
	ErrCounter = errors.New("the counter of the card is used up")
	// ErrExists means that what should be new is there already.
	ErrExists = errors.New("exists already")
	// ErrCardState means that the card is not in a state for it.
	ErrCardState = errors.New("the card is not in a state for this")
)

// CardStore keeps SIM cards. Keys and counters belong together: with the same
// keys no counter is used twice.
//
// A card that is active or blocked has the device of a subscriber's SIM, any
// other has none. A device that PutSubscriber leaves out takes its card with it:
// the card is retired, its counters stay known.
type CardStore interface {
	// PutCard inserts a card, or replaces all of it but Created and the counters.
	// These stay as they are (what c says of them counts for a new card only), but
	// with another KeySet or Algorithm they start over: the new keys have not seen
	// any. ErrNotFound if there is no such device, ErrExists if it has another card.
	// The state of the device is left alone; see SetCardState.
	PutCard(ctx context.Context, c *Card) error
	// RekeyCard gives a card the KeySet, Algorithm, KIc, KID and Changed of c, and
	// leaves all else: who brings keys does not undo what others do to the card at
	// the same time. Counters are as with PutCard. ErrNotFound.
	RekeyCard(ctx context.Context, c *Card) error
	// EnrolCard inserts a new account with its SIM, the only device of s, and the
	// card that is in it; all or nothing. The card may exist, in stock: then it is
	// replaced as by PutCard. ErrExists if the account or the device exists, or the
	// card outside of the stock.
	EnrolCard(ctx context.Context, s *Subscriber, c *Card) error
	// Card finds one by its ICCID; ErrNotFound.
	Card(ctx context.Context, iccid string) (*Card, error)
	// CardOf finds the card of a subscriber's SIM, active or blocked; ErrNotFound.
	CardOf(ctx context.Context, msisdn string) (*Card, error)
	// AssignedCards lists those in subscribers' phones, active or blocked, in order of
	// ICCID, starting after the given one; at most limit.
	AssignedCards(ctx context.Context, after string, limit int) ([]*Card, error)
	// TakeCounter returns the next counter towards a card, 1 at first. It is on disk
	// before it returns, and nobody gets it twice. ErrNotFound; ErrCardState if the
	// card is not active, so that nothing more is sent to one from the moment in
	// which it is blocked; ErrCounter after MaxCardCounter.
	TakeCounter(ctx context.Context, iccid string) (uint64, error)
	// AcceptReply records the counter of a reply, which must be authentic. False
	// means that nothing changed: it was seen before (0 always was), is more than
	// ReplyWindow below the highest, or above MaxCardCounter. ErrNotFound. It goes by
	// the counter alone, whatever the state of the card.
	AcceptReply(ctx context.Context, iccid string, counter uint64) (bool, error)
	// SetCardState blocks a card that is active, or ends that; or retires one from
	// stock. With the card, and at once, its device is switched off (inactive); and
	// when the card is active again, the device is active if its certificate is good,
	// registered if it has none, and stays inactive if that was revoked meanwhile.
	// The state that it has changes nothing. ErrNotFound; ErrCardState for any other
	// change.
	SetCardState(ctx context.Context, iccid string, to CardState, at time.Time) error
	// SwapCard gives a subscriber another card, in one transaction: the old card is
	// retired and its device gone, with any other SIM of the account; the new one,
	// from stock, is active with newDevice. An account that has no SIM gets its first.
	// Certificates stay as they are: who swaps revokes the old one before.
	//
	// A swap ends no transaction. What is outstanding for the old device cannot be
	// answered any more, since answers come from the device that was asked; it
	// expires, and until then the new SIM is busy. ErrNotFound if there is no such
	// subscriber or card, ErrCardState if the card is not in stock, ErrExists if the
	// device exists.
	SwapCard(ctx context.Context, msisdn, newICCID string, newDevice Device, at time.Time) error
	// RenumberSubscriber moves an account with its devices, cards, Apps and invite
	// to another number, in one transaction. An invite that waits for an account at
	// the new number ends. Transactions and receipts stay what they are, records of
	// what was asked of the old number: one that is outstanding can be answered only
	// by a phone that is still known under it, and otherwise expires. ErrNotFound if
	// there is no such account, ErrExists if the new number has one.
	RenumberSubscriber(ctx context.Context, oldMSISDN, newMSISDN string) error
}
