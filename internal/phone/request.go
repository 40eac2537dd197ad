package phone

import (
	"fmt"
	"slices"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// Reception is what a device makes of a request that arrived.
type Reception struct {
	// Asked is true if the text came on the screen now. It is false when the
	// user is being asked already, or need not be, or will be once Open is
	// called.
	Asked bool
	// Answers are to be sent now: to this request, if the device decides
	// without its user, and to the one that it replaced.
	Answers []mssp.DeviceAnswer
}

// Receive takes a request off a bearer. The device refuses what it must not or
// cannot do without showing it: 900 if messageDigest is not that of the text,
// an encrypted receipt cannot be read or it cannot be activated so, 404 if it
// has no key of the wanted kind, 402 if its PIN is blocked, 406 if it is busy. A
// request that it knows is not shown again; if it was answered, the answer is
// repeated. One that is past its time is dropped. One that is called by another
// app waits for Open. The request's SignedAttrs are kept: the caller must not
// change them.
func (d *Device) Receive(r mssp.DeviceRequest) Reception { return d.receive(r, 0) }

// receive also lets the caller play a device that has no key, or whose PIN is
// blocked: played is the code that it then answers.
func (d *Device) receive(r mssp.DeviceRequest, played signum.Code) Reception {
	d.mu.Lock()
	defer d.release()
	now := d.clock.Now()
	d.expire(now)
	if d.current != nil && nameOf(&d.current.DeviceRequest) == nameOf(&r) {
		return Reception{}
	}
	if e, ok := d.memo.find(nameOf(&r), now); ok {
		if e.withdrawn {
			return Reception{}
		}
		return Reception{Answers: []mssp.DeviceAnswer{e.answer}}
	}
	if past(r.Expires, now) {
		d.note(Event{Kind: Expired}, &r, now)
		return Reception{}
	}
	text, err := d.legible(&r)
	if err != nil {
		return Reception{Answers: []mssp.DeviceAnswer{d.refuse(&r, signum.InternalError, err.Error(), now)}}
	}
	r.Text = text
	if code, why := d.refusal(&r, played); code != 0 {
		return Reception{Answers: []mssp.DeviceAnswer{d.refuse(&r, code, why, now)}}
	}
	return d.take(r, now)
}

// take puts a request on the device, in the place of what is there.
func (d *Device) take(r mssp.DeviceRequest, now time.Time) Reception {
	var got Reception
	if old := d.current; old != nil {
		// A receipt tells of what is over. It never costs a request that waits
		// for its user.
		if d.spec.Method == signum.SIM || r.Op == mssp.OpDisplay && old.Op != mssp.OpDisplay {
			why := fmt.Sprintf("the %s is busy with transaction %s", d.spec.Method, old.TransID)
			return Reception{Answers: []mssp.DeviceAnswer{d.refuse(&r, signum.PBSignatureProcess, why, now)}}
		}
		got.Answers = []mssp.DeviceAnswer{d.decline(old, Replaced, now)}
	}
	d.current = &prompt{DeviceRequest: r, since: now, waiting: r.App2App != nil}
	if d.current.waiting {
		d.note(Event{Kind: Waiting}, &r, now)
		return got
	}
	d.note(Event{Kind: Shown}, &r, now)
	got.Asked = true
	return got
}

// refusal is why a request may not be shown, 0 if it may.
func (d *Device) refusal(r *mssp.DeviceRequest, played signum.Code) (signum.Code, string) {
	if played != 0 {
		return played, "behaviour"
	}
	if r.App2App != nil && r.Op != mssp.OpSign {
		return signum.InternalError, "only signatures are called by an app"
	}
	switch r.Op {
	case mssp.OpSign:
		return d.refuseSignature(r)
	case mssp.OpActivate:
		if err := d.refuseActivation(r); err != nil {
			return signum.InternalError, err.Error()
		}
		return 0, ""
	case mssp.OpDisplay:
		return 0, ""
	}
	return signum.InternalError, fmt.Sprintf("there is no operation %d", r.Op)
}

// knows reports whether the device has the request or has ended it.
func (d *Device) knows(id name) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.current != nil && nameOf(&d.current.DeviceRequest) == id {
		return true
	}
	_, ok := d.memo.find(id, d.clock.Now())
	return ok
}

// Cancel is the user's refusal of what is on the screen: 401, or CANCEL to a
// receipt. ErrNotShown if nothing of this transaction is there.
func (d *Device) Cancel(transID string) (mssp.DeviceAnswer, error) { return d.cancel(transID) }

func (d *Device) cancel(transID string, ops ...mssp.DeviceOp) (mssp.DeviceAnswer, error) {
	d.mu.Lock()
	defer d.release()
	now := d.clock.Now()
	p, err := d.visible(transID, now, ops...)
	if err != nil {
		return mssp.DeviceAnswer{}, err
	}
	return d.decline(p, Cancelled, now), nil
}

// Withdraw takes a transaction's request off the device on behalf of the MSSP,
// whatever it asks, on the screen or waiting; there is no answer. It also holds
// for one that is still on its way. False if there was nothing to take off.
func (d *Device) Withdraw(transID string) bool {
	d.mu.Lock()
	defer d.release()
	now := d.clock.Now()
	d.expire(now)
	p := d.current
	found := p != nil && p.TransID == transID
	if found {
		d.note(Event{Kind: Withdrawn}, &p.DeviceRequest, now)
		d.current = nil
	}
	if !d.memo.withdrawn(transID, now) {
		d.memo.add(ended{answer: mssp.DeviceAnswer{TransID: transID}, withdrawn: true, anyOp: true, forget: now.Add(withdrawnFor)}, now)
	}
	return found
}

// retire is Withdraw for one operation, for the reason that the event names.
func (d *Device) retire(id name, kind Kind) bool {
	d.mu.Lock()
	defer d.release()
	now := d.clock.Now()
	d.expire(now)
	p := d.current
	found := p != nil && nameOf(&p.DeviceRequest) == id
	if found {
		d.note(Event{Kind: kind}, &p.DeviceRequest, now)
		d.current = nil
	}
	if _, known := d.memo.find(id, now); !known {
		a := mssp.DeviceAnswer{TransID: id.transID, Op: id.op}
		d.memo.add(ended{answer: a, withdrawn: true, forget: now.Add(withdrawnFor)}, now)
	}
	return found
}

// The rest is called with the lock held.

// visible is the request on the screen, if it is of this transaction and one
// of these operations, any if none is named, and still valid.
func (d *Device) visible(transID string, now time.Time, ops ...mssp.DeviceOp) (*prompt, error) {
	d.expire(now)
	p := d.current
	if p == nil || p.waiting || p.TransID != transID || len(ops) > 0 && !slices.Contains(ops, p.Op) {
		return nil, ErrNotShown
	}
	return p, nil
}

// expire drops a request past its time. Nobody is told but the observer: the
// MSSP has its own clock.
func (d *Device) expire(now time.Time) {
	if p := d.current; p != nil && past(p.Expires, now) {
		d.current = nil
		d.note(Event{Kind: Expired}, &p.DeviceRequest, now)
	}
}

// decline ends a request that the user did not accept.
func (d *Device) decline(p *prompt, kind Kind, now time.Time) mssp.DeviceAnswer {
	if p.Op == mssp.OpDisplay {
		d.note(Event{Kind: kind}, &p.DeviceRequest, now)
		return d.end(p, mssp.DeviceAnswer{Receipt: signum.ReceiptCancelled}, now)
	}
	d.note(Event{Kind: kind, Code: signum.UserCancel}, &p.DeviceRequest, now)
	return d.end(p, mssp.DeviceAnswer{Fault: signum.NewFault(signum.UserCancel)}, now)
}

// end takes the request off the device and remembers its answer.
func (d *Device) end(p *prompt, a mssp.DeviceAnswer, now time.Time) mssp.DeviceAnswer {
	d.current = nil
	return d.answer(&p.DeviceRequest, a, now)
}

func (d *Device) refuse(r *mssp.DeviceRequest, code signum.Code, why string, now time.Time) mssp.DeviceAnswer {
	if code == signum.InternalError {
		d.log.Error("phone refused a request", "trans_id", r.TransID, "op", r.Op, "device", d.spec.ID, "reason", why)
	}
	d.note(Event{Kind: Refused, Code: code, Reason: why}, r, now)
	return d.answer(r, mssp.DeviceAnswer{Fault: signum.NewFault(code)}, now)
}

// answer names whose answer it is and remembers it.
func (d *Device) answer(r *mssp.DeviceRequest, a mssp.DeviceAnswer, now time.Time) mssp.DeviceAnswer {
	a.Op, a.TransID, a.DeviceID = r.Op, r.TransID, d.spec.ID
	d.memo.add(ended{answer: a, forget: r.Expires}, now)
	return a
}

// setTries keeps the counter. If the store fails, the device goes on with the
// counter that it has in memory.
func (d *Device) setTries(n int) {
	if n == d.tries {
		return
	}
	d.tries = n
	if d.vault != nil {
		return // whoever guards it counts
	}
	if err := d.keys.PutTriesLeft(d.spec.ID, n); err != nil {
		d.log.Error("PIN counter not kept", "device", d.spec.ID, "err", err)
	}
}

// note completes the event and queues it for the observer.
func (d *Device) note(e Event, r *mssp.DeviceRequest, now time.Time) {
	e.Time, e.DeviceID, e.MSISDN, e.Method = now, d.spec.ID, d.spec.MSISDN, d.spec.Method
	e.Op, e.TransID, e.Lang, e.Text, e.TriesLeft = r.Op, r.TransID, r.Lang, r.Text, d.tries
	d.seen.add(e)
}

// release unlocks, then tells the observer.
func (d *Device) release() {
	d.mu.Unlock()
	d.seen.flush()
}
