package person

import (
	"sync"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// Kind is what happened on a phone.
type Kind string

// The kinds. A request is Shown at most once, before its person does anything.
// Refused, Expired and Undelivered also occur without it; Opened precedes it.
const (
	Shown       Kind = "shown"       // the text is on the screen
	Opened      Kind = "opened"      // the AuthUri was opened: Shown follows, or Refused
	Cancelled   Kind = "cancelled"   // by the person
	Replaced    Kind = "replaced"    // by a newer request on the same app
	Withdrawn   Kind = "withdrawn"   // by the MSSP
	Expired     Kind = "expired"     // noticed when the device is next used, not at the minute
	Refused     Kind = "refused"     // by the device: Code and Reason tell why
	Undelivered Kind = "undelivered" // the bearer did not deliver, a Text too

	// OpSign.
	PINRight Kind = "pin-ok"    // the counter is full again
	PINWrong Kind = "pin-wrong" // TriesLeft tells how many remain; 0: blocked
	Signed   Kind = "signed"    // a signature was made and will be sent

	// OpActivate.
	PINRejected Kind = "pin-rejected" // a new PIN was not taken: Reason tells why
	PINSet      Kind = "pin-set"      // the card has a new PIN

	// OpDisplay.
	Acknowledged Kind = "acknowledged" // the person pressed OK
	TimedOut     Kind = "timed-out"    // nobody touched it; on a handset whatever was asked

	// Text is a short message. It has no device and no transaction.
	Text Kind = "text"
)

// Event is one thing that happened on a phone. It is for people and tests: it
// carries the whole number, which must be masked before it reaches a log.
type Event struct {
	Time      time.Time
	Kind      Kind
	Op        mssp.DeviceOp
	DeviceID  string
	MSISDN    string        // E.164 with leading +
	Method    signum.Method // empty of a Text
	TransID   string        // of a handset: as far as a card knows it, the applet.ID in hex
	Lang      string
	Text      string      // as shown or asked to be shown
	Flash     bool        // of a Text: shown at once and not kept
	TriesLeft int         // of the PIN, after the event
	Code      signum.Code // of the fault that the device answers, 0 if none
	Reason    string      // of Refused and PINRejected, for the operator
}

// Observer calls a function for each event, one at a time and in the order in
// which they happened. Devices add while they hold their lock and flush once
// they have released it, so that the function may call the phones back.
type Observer struct {
	f func(Event)

	mu    sync.Mutex
	queue []Event
	busy  bool
}

// NewObserver returns one for f, which may be nil: nobody observes.
func NewObserver(f func(Event)) *Observer { return &Observer{f: f} }

// Add queues an event.
func (o *Observer) Add(e Event) {
	if o.f == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue = append(o.queue, e)
}

// Flush delivers what is queued, unless somebody is delivering it already.
func (o *Observer) Flush() {
	if o.f == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.busy {
		return // who is delivering will find ours too
	}
	o.busy = true
	defer func() { o.busy = false }()
	for len(o.queue) > 0 {
		events := o.queue
		o.queue = nil
		o.deliver(events)
	}
}

// deliver runs without the lock, and has it again even if the function
// panicked.
func (o *Observer) deliver(events []Event) {
	o.mu.Unlock()
	defer o.mu.Lock()
	for _, e := range events {
		o.f(e)
	}
}
