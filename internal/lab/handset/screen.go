package handset

import (
	"errors"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
)

// DialogueKind is the kind of dialogue on a handset's screen.
type DialogueKind string

// The kinds.
const (
	Idle        DialogueKind = "idle"  // no dialogue
	DisplayText DialogueKind = "text"  // OK, Cancel or Back
	GetInput    DialogueKind = "input" // like DisplayText, but OK comes with an input
	FlashText   DialogueKind = "flash" // a class 0 message; any key clears it
)

// Dialogue is what a handset shows. IDs are unique; the ID is 0 when the screen is idle.
type Dialogue struct {
	ID             uint64
	Kind           DialogueKind
	Text           string
	Who            bool // the text says who asks; only the sandbox knows, to a handset it is a text
	Hidden         bool // the screen hides the input
	Digits         bool // the input is limited to 0 to 9, *, # and +
	MinLen, MaxLen int  // of the input, in characters; a MaxLen of 255 means no limit
	Since          time.Time
	Until          time.Time // when the handset gives up; zero: never
}

// Key ends a dialogue.
type Key uint8

// The keys. KeyNone means that no key was pressed for as long as the handset waits.
const (
	KeyOK Key = iota
	KeyCancel
	KeyBack
	KeyNone
)

// ErrInput means that the handset refuses the input: it is too short or too long, or has
// characters that the handset has no keys for. The dialogue stays.
var ErrInput = errors.New("the input does not fit the dialogue")

const (
	keptMessages = 100
	keptFlashes  = 8
	maxDismissed = 16
)

// mobile is one handset with its user. Its lock is never held while a card works.
type mobile struct {
	*person.Person
	net    *Network
	msisdn string

	mu      sync.Mutex
	slot    *terminal // nil: switched off
	byHand  bool      // a real person presses the keys
	request *request  // of the current session; nil: none
	shown   *dialogue // dialogue of the card; nil: none
	flashes []Dialogue
	inbox   []Message
	watches map[chan struct{}]struct{}
	// dismissed are the last requests that the user wants to be over, by their names at
	// the card, also if they are still on their way.
	dismissed []string
	sent      byte // reference of the last SMS-SUBMIT
}

// dialogue is a proactive command that waits for the user.
type dialogue struct {
	Dialogue
	cmd     header
	of      *terminal
	asks    card.Asking
	request *request
	timer   *time.Timer // until the handset gives up
}

// insert puts a card's terminal into the slot.
func (m *mobile) insert(t *terminal) {
	m.mu.Lock()
	old := m.slot
	m.slot = t
	m.clear()
	m.mu.Unlock()
	if old != nil {
		old.takeOut()
	}
}

// switchOff removes the card and ends all watches.
func (m *mobile) switchOff() {
	m.mu.Lock()
	old := m.slot
	m.slot = nil
	m.clear()
	for w := range m.watches {
		close(w)
	}
	m.watches = nil
	m.mu.Unlock()
	if old != nil {
		old.takeOut()
	}
}

// clear requires the lock.
func (m *mobile) clear() {
	if m.shown != nil {
		m.shown.timer.Stop()
	}
	m.shown, m.request = nil, nil
	m.changed()
}

// show puts a dialogue on the screen. It returns false if the card has been removed.
func (m *mobile) show(d *dialogue, wait time.Duration) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.slot != d.of {
		return false
	}
	d.Since = m.net.c.Clock.Now()
	d.Until = d.Since.Add(wait)
	d.timer = time.AfterFunc(wait, func() {
		defer event.Rescue(m.net.c.Logger, "screen of a handset")
		m.net.hands.Submit(func() { _ = m.press(d.ID, KeyNone, "") }) // fails if a key was pressed first
	})
	m.shown = d
	m.changed()
	return true
}

// changed notifies the watches. It requires the lock.
func (m *mobile) changed() {
	for w := range m.watches {
		select {
		case w <- struct{}{}:
		default: // the last notification is still unread
		}
	}
}

func (m *mobile) dialogue() Dialogue {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.shown != nil:
		return m.shown.Dialogue
	case len(m.flashes) > 0:
		return m.flashes[len(m.flashes)-1]
	}
	return Dialogue{Kind: Idle}
}

// press answers the dialogue with this ID, once.
func (m *mobile) press(id uint64, key Key, input string) error {
	d, err := m.take(id, key, input)
	if d != nil {
		d.of.answer(d, key, input)
	}
	return err
}

// take removes the dialogue from the screen. It returns nil for a flash message.
func (m *mobile) take(id uint64, key Key, input string) (*dialogue, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if d := m.shown; d != nil && d.ID == id {
		if key == KeyOK && !d.fits(input) {
			return nil, ErrInput
		}
		d.timer.Stop()
		m.shown = nil // advance notifies the watches once the card has answered
		return d, nil
	}
	if i := slices.IndexFunc(m.flashes, func(f Dialogue) bool { return f.ID == id }); i >= 0 {
		m.flashes = slices.Delete(m.flashes, i, i+1)
		m.changed()
		return nil, nil
	}
	return nil, person.ErrNotShown
}

// fits reports whether the handset accepts an input.
func (d *Dialogue) fits(input string) bool {
	if d.Kind != GetInput {
		return true
	}
	if d.Digits {
		for _, c := range []byte(input) {
			if (c < '0' || c > '9') && c != '*' && c != '#' && c != '+' {
				return false
			}
		}
	}
	n := utf8.RuneCountInString(input)
	return utf8.ValidString(input) && n >= d.MinLen && n <= d.MaxLen
}

// Dialogue returns what the handset of a number shows. The error is person.ErrUnknown if
// there is no such handset.
func (h *Network) Dialogue(msisdn string) (Dialogue, error) {
	m, err := h.find(msisdn)
	if err != nil {
		return Dialogue{}, err
	}
	return m.dialogue(), nil
}

// Press presses a key in a dialogue. It returns after the card has processed the result
// and its next command is on the screen. The error is person.ErrNotShown if the dialogue is
// gone, for example after a second click; ErrInput if the handset refuses the input;
// person.ErrUnknown if there is no such handset.
func (h *Network) Press(msisdn string, id uint64, key Key, input string) error {
	if key > KeyNone {
		return errors.New("unknown key")
	}
	m, err := h.find(msisdn)
	if err != nil {
		return err
	}
	return m.press(id, key, input)
}

// Dismiss ends a request as if its user pressed Cancel, now or when it arrives. The error is
// person.ErrUnknown if there is no such handset.
func (h *Network) Dismiss(msisdn, transID string) error {
	m, err := h.find(msisdn)
	if err != nil {
		return err
	}
	name := card.AskedAs(transID)
	m.mu.Lock()
	if n := len(m.dismissed) - maxDismissed + 1; n > 0 {
		m.dismissed = slices.Delete(m.dismissed, 0, n)
	}
	m.dismissed = append(m.dismissed, name)
	d := m.shown
	m.mu.Unlock()
	if d != nil && d.asks.TransID == name {
		_ = m.press(d.ID, KeyCancel, "") // unless another key was pressed first
	}
	return nil
}

// Watch sends on a channel when the results of Dialogue or Received may have changed.
// Changes that nobody has received yet are merged into one. The channel is closed when the
// handset is removed. Stop may be called several times.
func (h *Network) Watch(msisdn string) (changes <-chan struct{}, stop func(), err error) {
	m, err := h.find(msisdn)
	if err != nil {
		return nil, nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.slot == nil {
		return nil, nil, unknown(msisdn) // it has been removed
	}
	w := make(chan struct{}, 1)
	if m.watches == nil {
		m.watches = make(map[chan struct{}]struct{})
	}
	m.watches[w] = struct{}{}
	return w, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.watches, w)
	}, nil
}

// Message is a text message that a handset received. The times of one handset's messages
// are at least a microsecond apart, so that a time identifies a message.
type Message struct {
	mssp.TextMessage
	Time time.Time
}

// Received returns the last 100 text messages, including flash messages, oldest first. It
// returns none for an unknown number.
func (h *Network) Received(msisdn string) []Message {
	m, err := h.find(msisdn)
	if err != nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.inbox)
}

// Messages returns the messages of Received that a handset stores, without the flash
// messages.
func (h *Network) Messages(msisdn string) []mssp.TextMessage {
	var all []mssp.TextMessage
	for _, m := range h.Received(msisdn) {
		if !m.Flash {
			all = append(all, m.TextMessage)
		}
	}
	return all
}
