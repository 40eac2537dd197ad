package handsetpage

import (
	"errors"
	"time"
)

// Info is a handset with a simulated SIM.
type Info struct {
	MSISDN string // E.164 with leading +
	ICCID  string // of the card
	Name   string // of the person, or empty
}

// DialogueKind is what the card has on the screen.
type DialogueKind string

// The kinds. Another kind is idle to the page, which finds flash messages among
// the messages.
const (
	DialogueIdle  DialogueKind = "idle"  // nothing
	DialogueText  DialogueKind = "text"  // DISPLAY TEXT
	DialogueInput DialogueKind = "input" // GET INPUT
)

// Dialogue is a proactive command of the card (TS 102 223) that waits for the
// person.
type Dialogue struct {
	ID     uint64 // another for each command of one handset
	Kind   DialogueKind
	Text   string // exactly as the card gave it
	Hidden bool   // the input is not shown
	Digits bool   // the input is of 0 to 9 only
	// MinLen and MaxLen are of the input, in characters.
	MinLen, MaxLen int
	// Until is when the handset answers that nobody pressed a key; zero: never.
	Since, Until time.Time
}

// Key is what the person answers a dialogue with; digits, and deleting them, are
// the page's affair.
type Key string

// The keys.
const (
	KeyOK     Key = "ok"
	KeyCancel Key = "cancel"
	KeyBack   Key = "back" // to the step before in the card's dialogue
)

// TextMessage is one that a handset received.
type TextMessage struct {
	Text  string
	Flash bool      // class 0: shown at once
	Time  time.Time // of its arrival; the page takes two of the same microsecond for one
}

// What Handsets answer. They may wrap these.
var (
	ErrUnknown = errors.New("there is no handset of this number")
	ErrStale   = errors.New("the dialogue is not on the screen any more")
	ErrInput   = errors.New("the dialogue does not take this input")
)

// Handsets are the simulated handsets. They are safe for concurrent use, and
// call nothing of this package.
type Handsets interface {
	// List is in the order that people shall see.
	List() []Info
	// Dialogue is what is on the screen now. ErrUnknown.
	Dialogue(msisdn string) (Dialogue, error)
	// Press answers the dialogue with this ID; input goes with KeyOK to a
	// DialogueInput. ErrUnknown; ErrStale if another dialogue or
	// none is on the screen; ErrInput, and then the dialogue stays.
	Press(msisdn string, id uint64, key Key, input string) error
	// Watch signals each change of the dialogue and of the messages; signals that
	// are not taken become one. The channel is closed when the handset is gone.
	// ErrUnknown.
	Watch(msisdn string) (changes <-chan struct{}, stop func(), err error)
	// Messages are in the order of their arrival, flash messages included.
	Messages(msisdn string) []TextMessage
	// TakeOver says that a person at the page answers, or no more: then the
	// person that the handset simulates does. ErrUnknown.
	TakeOver(msisdn string, on bool) error
}
