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

// DialogueKind is what a handset's screen is for.
type DialogueKind string

// The kinds.
const (
	Idle        DialogueKind = "idle"  // nothing is asked
	DisplayText DialogueKind = "text"  // OK, Cancel or Back
	GetInput    DialogueKind = "input" // as DisplayText, OK with what was keyed in
	FlashText   DialogueKind = "flash" // a class 0 message; any key clears it
)

// Dialogue is what a handset shows. Its ID is never used twice; it is 0 when
// the screen is idle.
type Dialogue struct {
	ID             uint64
	Kind           DialogueKind
	Text           string
	Hidden         bool // what is keyed in is not shown
	Digits         bool // only 0 to 9, *, # and + can be keyed in
	MinLen, MaxLen int  // of the input, in characters; MaxLen is 255 for no limit
	Since          time.Time
	Until          time.Time // when the handset gives up; zero: never
}

// Key ends a dialogue.
type Key uint8

// The keys. KeyNone is that nobody touches the handset for as long as it waits.
const (
	KeyOK Key = iota
	KeyCancel
	KeyBack
	KeyNone
)

// ErrInput means that the handset does not take the input: too short, too
// long, or other characters than it has keys for. The dialogue stays.
var ErrInput = errors.New("the input does not fit what is asked")

const (
	keptMessages = 100
	keptFlashes  = 8
)

// mobile is one handset with its person. Its lock is held for no longer than it
// takes to look and to write: never while a card works.
type mobile struct {
	*person.Person
	net    *Network
	msisdn string

	mu      sync.Mutex
	slot    *terminal // nil: switched off
	byHand  bool      // the simulated person presses no key
	errand  *errand   // of the session that goes on; nil: none
	shown   *dialogue // nil: nothing of the card
	flashes []Dialogue
	inbox   []Message
	watches map[chan struct{}]struct{}
	sent    byte // reference of the last SMS-SUBMIT
}

// dialogue is a proactive command that waits for a person.
type dialogue struct {
	Dialogue
	cmd    header
	of     *terminal
	asks   card.Asking
	errand *errand
	timer  *time.Timer // until the handset gives up
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

// switchOff takes out the card and ends all watches.
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

// clear is called with the lock held.
func (m *mobile) clear() {
	if m.shown != nil {
		m.shown.timer.Stop()
	}
	m.shown, m.errand = nil, nil
	m.changed()
}

// show puts a dialogue on the screen; false if its card is no longer in there.
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
		m.net.hands.Submit(func() { _ = m.press(d.ID, KeyNone, "") }) // unless somebody was faster
	})
	m.shown = d
	m.changed()
	return true
}

// changed tells who watches; it is called with the lock held.
func (m *mobile) changed() {
	for w := range m.watches {
		select {
		case w <- struct{}{}:
		default: // it has not looked since the last change
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

// press answers the dialogue that has this ID, once.
func (m *mobile) press(id uint64, key Key, input string) error {
	d, err := m.take(id, key, input)
	if d != nil {
		d.of.answer(d, key, input)
	}
	return err
}

// take gets the dialogue off the screen; nil if it was a flash.
func (m *mobile) take(id uint64, key Key, input string) (*dialogue, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if d := m.shown; d != nil && d.ID == id {
		if key == KeyOK && !d.fits(input) {
			return nil, ErrInput
		}
		d.timer.Stop()
		m.shown = nil // who watches is told when the card has said what follows
		return d, nil
	}
	if i := slices.IndexFunc(m.flashes, func(f Dialogue) bool { return f.ID == id }); i >= 0 {
		m.flashes = slices.Delete(m.flashes, i, i+1)
		m.changed()
		return nil, nil
	}
	return nil, person.ErrNotShown
}

// fits is what the handset itself enforces of an input.
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

// Dialogue is what the handset of a number shows. person.ErrUnknown if there is none.
func (h *Network) Dialogue(msisdn string) (Dialogue, error) {
	m, err := h.find(msisdn)
	if err != nil {
		return Dialogue{}, err
	}
	return m.dialogue(), nil
}

// Press is a person at the handset. It returns when the card has been told,
// and has said what follows. person.ErrNotShown if the dialogue is no longer there: a
// second click, for example; ErrInput if the input cannot be keyed in;
// person.ErrUnknown if there is no such handset.
func (h *Network) Press(msisdn string, id uint64, key Key, input string) error {
	if key > KeyNone {
		return errors.New("there is no such key")
	}
	m, err := h.find(msisdn)
	if err != nil {
		return err
	}
	return m.press(id, key, input)
}

// Watch tells when what Dialogue or Received return may have changed. A change
// that comes while another has not been received is not told apart. The channel
// is closed when the handset is removed. Stop may be called several times.
func (h *Network) Watch(msisdn string) (changes <-chan struct{}, stop func(), err error) {
	m, err := h.find(msisdn)
	if err != nil {
		return nil, nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.slot == nil {
		return nil, nil, unknown(msisdn) // removed meanwhile
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

// Message is a text message that came. Times of one handset are at least a
// microsecond apart, so that they name a message.
type Message struct {
	mssp.TextMessage
	Time time.Time
}

// Received are the last 100 text messages, flash messages included, oldest
// first. It is empty for an unknown number.
func (h *Network) Received(msisdn string) []Message {
	m, err := h.find(msisdn)
	if err != nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.inbox)
}

// Messages are those of Received that a handset keeps: not the flash messages.
func (h *Network) Messages(msisdn string) []mssp.TextMessage {
	var all []mssp.TextMessage
	for _, m := range h.Received(msisdn) {
		if !m.Flash {
			all = append(all, m.TextMessage)
		}
	}
	return all
}
