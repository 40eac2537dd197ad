package phone

import (
	"sync"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// Kind is what happened on a phone.
type Kind string

// The kinds. One request is Shown at most once, and before whatever its person
// does. Refused, Expired and Undelivered need not come after it; nor do Waiting
// and Opened, and what befalls a request that waits.
const (
	Shown       Kind = "shown"       // the text is on the screen
	Waiting     Kind = "waiting"     // for its AuthUri to be opened; nothing is on the screen
	Opened      Kind = "opened"      // the AuthUri of one that waited: Shown follows, or Refused
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
	PINSet      Kind = "pin-set"      // the card has a new PIN; a SIM of Network has a key too, and proved it

	// OpDisplay.
	Acknowledged Kind = "acknowledged" // the person pressed OK
	TimedOut     Kind = "timed-out"    // nobody touched it; on Handsets whatever was asked

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
	TransID   string        // of Handsets: as far as a card knows it, the applet.ID in hex
	Lang      string
	Text      string      // as shown or asked to be shown
	Flash     bool        // of a Text: shown at once and not kept
	TriesLeft int         // of the PIN, after the event
	Code      signum.Code // of the fault that the device answers, 0 if none
	Reason    string      // of Refused and PINRejected, for the operator
}

// observer calls a function for each event, one at a time and in the order in
// which they happened. Devices add while they hold their lock and flush once
// they have released it, so that the function may call the phones back.
type observer struct {
	f func(Event)

	mu    sync.Mutex
	queue []Event
	busy  bool
}

func (o *observer) add(e Event) {
	if o.f == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue = append(o.queue, e)
}

func (o *observer) flush() {
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
func (o *observer) deliver(events []Event) {
	o.mu.Unlock()
	defer o.mu.Lock()
	for _, e := range events {
		o.f(e)
	}
}
