package person

import (
	"sync"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// Kind is the kind of an Event.
type Kind string

// The kinds. A request is Shown at most once, before the person acts on its text. Refused,
// Expired and Undelivered may occur without it; so may Cancelled and TimedOut on a
// handset, which shows who asks before the text. Opened precedes it.
const (
	Shown       Kind = "shown"       // the text is on the screen
	Opened      Kind = "opened"      // the AuthUri was opened; Shown or Refused follows
	Cancelled   Kind = "cancelled"   // by the person
	Reported    Kind = "reported"    // cancelled by the person with "This was not me"
	Replaced    Kind = "replaced"    // by a newer request on the same app
	Withdrawn   Kind = "withdrawn"   // by the service
	Expired     Kind = "expired"     // noticed when the device is used next, not when it happens
	Refused     Kind = "refused"     // by the device; see Code and Reason
	Undelivered Kind = "undelivered" // the network did not deliver it; also of a Text

	// OpSign.
	PINRight Kind = "pin-ok"    // all tries are restored
	PINWrong Kind = "pin-wrong" // see TriesLeft; 0: blocked
	Signed   Kind = "signed"    // a signature was made and will be sent

	// OpActivate.
	PINRejected Kind = "pin-rejected" // a new PIN was refused; see Reason
	PINSet      Kind = "pin-set"      // the card has a new PIN

	// OpDisplay.
	Acknowledged Kind = "acknowledged" // the person pressed OK
	TimedOut     Kind = "timed-out"    // nobody reacted; on a handset also to OpSign and OpActivate

	// Text is a short message. It has no device and no transaction.
	Text Kind = "text"
)

// Event is something that happened on a phone. It contains the full number, which
// must be masked before it is logged.
type Event struct {
	Time      time.Time
	Kind      Kind
	Op        mssp.DeviceOp
	DeviceID  string
	MSISDN    string        // E.164 with leading +
	Method    signum.Method // empty for a Text
	TransID   string        // on a handset: what the card knows of it, the applet.ID in hex
	Party     string        // the name of the party that asks, as the phone shows it; empty: it shows none
	Lang      string
	Text      string      // as shown, or as it should have been shown
	Flash     bool        // of a Text: shown at once and not stored
	TriesLeft int         // tries for the PIN after the event
	Code      signum.Code // fault that the device answers; 0 if none
	Reason    string      // of Refused and PINRejected, for the operator
}

// Observer calls a function for each event, one at a time and in the order in
// which they happened. Devices call Add while they hold their lock and Flush after
// releasing it, so that the function may call them.
type Observer struct {
	f func(Event)

	mu    sync.Mutex
	queue []Event
	busy  bool
}

// NewObserver returns an observer that calls f. If f is nil, it drops all events.
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

// Flush delivers the queued events, unless another goroutine is doing so.
func (o *Observer) Flush() {
	if o.f == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.busy {
		return // that goroutine delivers ours too
	}
	o.busy = true
	defer func() { o.busy = false }()
	for len(o.queue) > 0 {
		events := o.queue
		o.queue = nil
		o.deliver(events)
	}
}

// deliver calls the function without holding mu, and locks mu again even if the
// function panics.
func (o *Observer) deliver(events []Event) {
	o.mu.Unlock()
	defer o.mu.Lock()
	for _, e := range events {
		o.f(e)
	}
}
