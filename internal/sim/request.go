package sim

import (
	"context"
	"slices"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
)

// request is a mssp.DeviceRequest on its way to a card and back. Its first four fields
// never change; Channel.mu guards the others.
type request struct {
	mssp.DeviceRequest
	id       applet.ID
	retry    *Retry    // of the card's profile
	giveUpAt time.Time // when the channel stops sending and decides what to answer

	step     applet.Op // an activation has two, SetPIN and GenKey; other requests have one
	state    state     // changed by Channel.move only
	iccid    string    // of the card to which the last packet went
	flags    flags
	attempts attempts
	timer    *time.Timer // the only one; set by Channel.arm
	next     time.Time   // when the next attempt is due, or the answer is handed over again; zero: neither

	answer    *mssp.DeviceAnswer // that the engine has not taken yet
	patient   bool               // the next attempt is due because nothing was heard: see Channel.repeat
	handOvers int                // how often it was handed to the engine
	location  *mssp.Location
}

// attempts is the state of the repetition. Each attempt is one packet with its own
// counter.
type attempts struct {
	run     int                // number of the last attempt, over all steps
	busyRun int                // the attempt that the card answered with Busy
	began   time.Time          // when the last attempt began
	cancel  context.CancelFunc // stops the attempt under way; nil: there is none
	card    *mssp.Card         // for the first attempt; nil: look it up

	// The rest belongs to the current step.
	count    int          // attempts made
	spared   int          // attempts that do not count: the SMSC took nothing because of load
	put      int          // how often the next attempt was put off because the service is late
	behind   int          // attempts that do not count: the card has seen a higher counter
	floor    uint64       // the least counter of the next packet
	absent   int          // attempts in a row that the network could not deliver
	counters []uint64     // of the packets, in order
	refused  uint64       // bit i: the card refused packet i in a secured proof
	doubtful bool         // a secured proof says that the card took a packet, and another one that its counter was too low
	messages []messageID  // of the last attempt's short messages
	past     []messageID  // of earlier ones
	early    []receiptOf  // that came while the last attempt was sent, about ids not known yet
	lost     bool         // a receipt says that the last attempt will not reach the phone
	enroute  bool         // a receipt says that it has not reached it yet
	por      scp80.Status // the last error in a proof of receipt; scp80.OK: none
}

// reset prepares for the next step.
func (a *attempts) reset() {
	*a = attempts{run: a.run, busyRun: a.busyRun, began: a.began, cancel: a.cancel, card: a.card}
}

// spare takes back the last attempt: the card cannot have got its packet.
func (a *attempts) spare() {
	a.count--
	a.spared++
	if n := len(a.counters); n > 0 {
		a.counters = a.counters[:n-1]
	}
}

const maxPast = 64 // ids of earlier attempts that are remembered

// begin prepares for the messages of another attempt.
func (a *attempts) begin(counter uint64) {
	a.counters = append(a.counters, counter)
	a.past = append(a.past, a.messages...)
	if n := len(a.past); n > maxPast {
		a.past = slices.Delete(a.past, 0, n-maxPast)
	}
	a.messages, a.early, a.lost, a.enroute = a.messages[:0], nil, false, false
}

// last reports whether packet i is the last one so far.
func (a *attempts) last(i int) bool { return i >= len(a.counters)-1 }

// refuses reports whether a secured proof says that the card refused packet i.
func (a *attempts) refuses(i int) bool { return a.refused&(1<<i) != 0 }

// allRefused reports whether the card refused every packet of the step.
func (a *attempts) allRefused() bool { return a.refused == uint64(1)<<len(a.counters)-1 }

func newRequest(r mssp.DeviceRequest, retry *Retry, now time.Time) *request {
	// By the monotonic clock, so that a clock that is set ends nothing.
	r.Expires = now.Add(r.Expires.Sub(now))
	// At most a quarter of the lifetime, so that a short-lived request is sent at all.
	margin := min(retry.Margin, r.Expires.Sub(now)/4)
	return &request{DeviceRequest: r, id: applet.TransactionID(r.TransID), retry: retry, giveUpAt: r.Expires.Add(-margin), step: firstStep(r.Op)}
}

func firstStep(op mssp.DeviceOp) applet.Op {
	switch op {
	case mssp.OpActivate:
		return applet.SetPIN
	case mssp.OpDisplay:
		return applet.Display
	}
	return applet.Sign
}

// answers reports whether a reply to this step can belong to a request of this kind.
func answers(kind mssp.DeviceOp, step applet.Op) bool {
	return step == firstStep(kind) || kind == mssp.OpActivate && step == applet.GenKey
}

// answerOf returns the answer to the request with a fault. If that is nil, the caller
// fills in the rest.
func (q *request) answerOf(f *signum.Fault) mssp.DeviceAnswer {
	return mssp.DeviceAnswer{Op: q.Op, TransID: q.TransID, DeviceID: q.DeviceID, Fault: f}
}

// fault says why a request did not reach its user. It is nil if the request did, or if
// that is unknown: then the request expires, and the engine answers 208.
func (q *request) fault() *signum.Fault {
	switch {
	case q.flags.has(unheard): // it may have been the reply
		return signum.NewFault(signum.InternalError)
	case q.flags.has(failed) && q.flags.has(reached) && !q.flags.has(asked): // the next step, or a repetition for a busy card
		return signum.NewFault(signum.InternalError)
	case q.flags.has(asked | reached):
		return nil
	case q.attempts.por == scp80.TARUnknown: // the card has no such applet
		return signum.NewFault(signum.UnknownClient)
	case q.attempts.por != scp80.OK:
		return signum.NewFault(q.lastFault())
	case q.flags.has(delivered):
		return nil
	case !q.flags.has(submitted):
		return signum.NewFault(q.lastFault())
	case q.attempts.enroute: // the phone was away all the time
		return signum.NewFault(signum.OTAError)
	}
	return nil
}

// unsent reports whether nothing of the present step was handed to the network, because the
// request waits for a worker or for the store.
func (q *request) unsent() bool {
	switch a := &q.attempts; q.state {
	case queued:
		return a.count == 0 && a.spared == 0
	case sending: // the attempt under way has no counter yet
		return a.count == 1 && a.spared == 0 && len(a.counters) == 0
	}
	return false
}

// lastFault says why the last attempt did not reach the card: the network, or a failure
// of the service itself.
func (q *request) lastFault() signum.Code {
	if q.flags.has(failed) {
		return signum.InternalError
	}
	return signum.OTAError
}

// asking reports whether the card may still be asked: the request waits for its
// answer, or an attempt is under way.
func (q *request) asking() bool { return q.state == waiting || q.state == sending }
