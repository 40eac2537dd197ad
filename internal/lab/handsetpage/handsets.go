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

// DialogueKind is what the card shows on the screen.
type DialogueKind string

// The kinds. The page treats any other kind as idle; it shows flash messages from
// the list of messages.
const (
	DialogueIdle  DialogueKind = "idle"  // nothing
	DialogueText  DialogueKind = "text"  // DISPLAY TEXT
	DialogueInput DialogueKind = "input" // GET INPUT
)

// Dialogue is a proactive command of the card (TS 102 223) that waits for the
// person's answer.
type Dialogue struct {
	ID     uint64 // differs for each command of one handset
	Kind   DialogueKind
	Text   string // exactly as the card gave it
	Who    bool   // the text says who asks
	Hidden bool   // the input is not shown
	Digits bool   // the input consists of 0 to 9 only
	// MinLen and MaxLen are limits of the input, in characters.
	MinLen, MaxLen int
	// Until is when the handset reports that nobody pressed a key; zero: never.
	Since, Until time.Time
}

// Key answers a dialogue. Digits and deleting them are up to the page.
type Key string

// The keys.
const (
	KeyOK     Key = "ok"
	KeyCancel Key = "cancel"
	KeyBack   Key = "back" // to the previous step of the card's dialogue
)

// TextMessage is one that a handset received.
type TextMessage struct {
	Text  string
	Flash bool      // class 0: shown at once
	Time  time.Time // of arrival; it identifies the message to the microsecond
}

// Errors of Handsets, which may wrap them.
var (
	ErrUnknown = errors.New("there is no handset with this number")
	ErrStale   = errors.New("the dialogue is no longer on the screen")
	ErrInput   = errors.New("the dialogue does not accept this input")
)

// Handsets are the simulated handsets. They are safe for concurrent use, and do not
// call back into this package.
type Handsets interface {
	// List is in the order in which people see it.
	List() []Info
	// Dialogue is what is on the screen now. ErrUnknown.
	Dialogue(msisdn string) (Dialogue, error)
	// Press answers the dialogue with this ID. A DialogueInput takes input with KeyOK.
	// ErrUnknown; ErrStale if this dialogue is not on the screen; ErrInput, and then
	// the dialogue stays.
	Press(msisdn string, id uint64, key Key, input string) error
	// Watch signals each change of the dialogue and of the messages. Signals that are
	// not received merge into one. The channel is closed when the handset is gone.
	// ErrUnknown.
	Watch(msisdn string) (changes <-chan struct{}, stop func(), err error)
	// Messages are in the order of their arrival, flash messages included.
	Messages(msisdn string) []TextMessage
	// TakeOver decides who answers: a person at the page, or the simulated person.
	// ErrUnknown.
	TakeOver(msisdn string, on bool) error
}
