package sim

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/smpp"
)

// What a deliver_sm turns out to be: the operation of its event.
const (
	opReply   = "reply"
	opProof   = "proof"   // of receipt
	opReceipt = "receipt" // delivery receipt of the SMSC
)

// Why a deliver_sm had no effect: the reason of its event. Metrics use it as a
// label.
const (
	reasonIgnored    = "ignored"    // not meant for the service
	reasonMalformed  = "malformed"  // neither a packet nor a part of one
	reasonUnknown    = "unknown"    // the sender has no active card
	reasonForged     = "forged"     // not made with the keys of the card
	reasonReplayed   = "replayed"   // its counter was used before
	reasonLate       = "late"       // nothing waits for it any longer
	reasonUnmatched  = "unmatched"  // about a message that is not waited for
	reasonEarly      = "early"      // a receipt that came before the response to its message
	reasonNoEffect   = "no_effect"  // nothing new
	reasonIncomplete = "incomplete" // other parts of the message are missing
	reasonRelayed    = "relayed"    // told to the node that sent the request
	reasonLocating   = "locating"   // to be delivered again when the phone is located
	reasonStopping   = "stopping"   // to be delivered again at the next start
)

// arrival is a deliver_sm on its way through the layers.
type arrival struct {
	smsc    string
	cluster string // of the SMSC, for message ids
	msisdn  string
	at      time.Time
	event   *event.Event
	card    *mssp.Card // from here on, as far as they are known
	trace   *Exchange
	failed  bool // the service could not handle it, and it must be delivered again
}

// drop acknowledges a message without effect, so that the SMSC does not deliver
// it again.
func (c *Channel) drop(in *arrival, count *atomic.Uint64, reason, why string) smpp.Status {
	count.Add(1)
	in.event.Reason, in.event.Note = reason, why
	c.trace.remark(in.trace, "dropped: "+why)
	return smpp.StatusOK
}

// fail makes the SMSC deliver a message again, because the service failed.
func (c *Channel) fail(in *arrival, err error) smpp.Status {
	in.event.Cause, in.failed = err, true
	c.trace.remark(in.trace, "postponed: the service does not take it now")
	return postponed
}

func (c *Channel) failKeys(in *arrival, err error) smpp.Status {
	return c.fail(in, fmt.Errorf("keys of card %s: %w", in.card.ICCID, err))
}
