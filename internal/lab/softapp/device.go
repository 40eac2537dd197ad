package softapp

import (
	"crypto"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
)

// MaxTries is how many wrong passcodes in a row block an App.
const MaxTries = 3

// PINError means that the passcode was wrong and the request is still shown.
type PINError struct{ TriesLeft int }

func (e *PINError) Error() string { return fmt.Sprintf("wrong passcode, %d tries left", e.TriesLeft) }

// Device is the signing half of an App: one screen, and the rule "what you see
// is what you sign". It knows no protocol, acts only when it is called, and is
// safe for concurrent use.
//
// It shows one request at a time. A newer one takes the place of the one that
// is shown, which is then answered with 401, or CANCEL if it was a receipt.
type Device struct {
	id, msisdn string
	clock      mssp.Clock
	log        *slog.Logger
	seen       *person.Observer
	person     *person.Person
	vault      vault
	public     *ecdsa.PublicKey

	mu      sync.Mutex // a device does one thing at a time, signing included
	pin     string     // what the person knows
	tries   int        // left, as the vault last said
	choose  func([]string) string
	current *prompt // nil: nothing is on the screen
	memo    memo
}

// vault is where the key of an App is while nobody signs with it. A passcode
// opens it, together with the service, which counts the wrong ones.
type vault interface {
	// open unlocks the key for one signature of this transaction. A *PINError
	// says that the passcode was wrong; with no tries left, the App is blocked.
	open(transID, passcode string) (crypto.Signer, error)
}

// prompt is the request on the screen.
type prompt struct {
	mssp.DeviceRequest
	since time.Time
}

// String names the device, without its secrets.
func (d *Device) String() string {
	return fmt.Sprintf("App %s of %s", d.id, signum.MaskMSISDN(d.msisdn))
}

// GoString is String: a log may print anything.
func (d *Device) GoString() string { return d.String() }

// ID is the device's identifier.
func (d *Device) ID() string { return d.id }

// MSISDN is the subscriber's number, E.164 with leading +.
func (d *Device) MSISDN() string { return d.msisdn }

// PublicKey is that of the signing key.
func (d *Device) PublicKey() *ecdsa.PublicKey { return d.public }

// knownPIN is the passcode that its person knows.
func (d *Device) knownPIN() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.pin
}

// TriesLeft is how many wrong passcodes the device still takes; at 0 it is
// blocked.
func (d *Device) TriesLeft() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.tries
}

// Unblock fills the counter, as when the service unblocked the App.
func (d *Device) Unblock() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tries = MaxTries
}

// block is what the service said about the passcode.
func (d *Device) block() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tries = 0
}

// Screen is what a device shows.
type Screen struct {
	Op       mssp.DeviceOp
	TransID  string
	Lang     string // of the device's own words around the text: en, de, fr or it
	MimeType string
	Text     string
	Since    time.Time
	Expires  time.Time
}

// Shown returns what is on the screen, false if nothing is.
func (d *Device) Shown() (Screen, bool) {
	d.mu.Lock()
	defer d.release()
	d.expire(d.clock.Now())
	p := d.current
	if p == nil {
		return Screen{}, false
	}
	return Screen{
		Op: p.Op, TransID: p.TransID, Lang: p.Lang, MimeType: p.MimeType, Text: p.Text, Since: p.since, Expires: p.Expires,
	}, true
}

// shownName is the zero name if nothing is shown.
func (d *Device) shownName() name {
	if s, ok := d.Shown(); ok {
		return name{s.TransID, s.Op}
	}
	return name{}
}

// reception is what a device makes of a request that arrived.
type reception struct {
	// asked is true if the request came on the screen now. It is false when the
	// user is being asked already, or need not be.
	asked bool
	// answers are to be sent now: to this request, if the device decides without
	// its user, and to the one that it replaced.
	answers []mssp.DeviceAnswer
}

// receive takes a request. The device refuses what it must not or cannot do
// without showing it: 900 if messageDigest is not that of the text, 402 if it is
// blocked, or the code that it is told to play, if that is not 0. A request that
// it knows is not shown again; if it was answered, the answer is repeated. One
// that is past its time is dropped.
func (d *Device) receive(r mssp.DeviceRequest, play signum.Code) (got reception) {
	d.mu.Lock()
	defer d.release()
	now := d.clock.Now()
	d.expire(now)
	if d.current != nil && nameOf(&d.current.DeviceRequest) == nameOf(&r) {
		return got
	}
	if e, ok := d.memo.find(nameOf(&r), now); ok {
		if !e.withdrawn {
			got.answers = []mssp.DeviceAnswer{e.answer}
		}
		return got
	}
	if past(r.Expires, now) {
		d.note(person.Event{Kind: person.Expired}, &r, now)
		return got
	}
	if code, why := d.refusal(&r, play); code != 0 {
		got.answers = []mssp.DeviceAnswer{d.refuse(&r, code, why, now)}
		return got
	}
	if old := d.current; old != nil {
		got.answers = []mssp.DeviceAnswer{d.decline(old, person.Replaced, now)}
	}
	d.current = &prompt{DeviceRequest: r, since: now}
	d.note(person.Event{Kind: person.Shown}, &r, now)
	got.asked = true
	return got
}

// refusal is why a request may not be shown, 0 if it may.
func (d *Device) refusal(r *mssp.DeviceRequest, play signum.Code) (signum.Code, string) {
	switch {
	case play != 0:
		return play, "behaviour"
	case r.Op == mssp.OpDisplay:
		return 0, ""
	case r.Op != mssp.OpSign:
		return signum.InternalError, fmt.Sprintf("an App has no operation %d", r.Op)
	}
	if err := checkDigest(r.MimeType, r.Text, r.SignedAttrs); err != nil {
		return signum.InternalError, err.Error()
	}
	if d.tries == 0 {
		return signum.PINBlocked, "the passcode is blocked"
	}
	return 0, ""
}

// Cancel is the user's refusal of what is on the screen: 401, or CANCEL to a
// receipt. person.ErrNotShown if nothing of this transaction is there.
func (d *Device) Cancel(transID string) (mssp.DeviceAnswer, error) {
	return d.cancel(transID, mssp.OpSign, mssp.OpDisplay)
}

func (d *Device) cancel(transID string, ops ...mssp.DeviceOp) (mssp.DeviceAnswer, error) {
	d.mu.Lock()
	defer d.release()
	now := d.clock.Now()
	p, err := d.visible(transID, now, ops...)
	if err != nil {
		return mssp.DeviceAnswer{}, err
	}
	return d.decline(p, person.Cancelled, now), nil
}

// Acknowledge is the user who presses OK on the receipt on the screen.
// person.ErrNotShown if no receipt of this transaction is there.
func (d *Device) Acknowledge(transID string) (mssp.DeviceAnswer, error) {
	return d.endReceipt(transID, person.Acknowledged, signum.ReceiptAccepted)
}

// TimeOut is the App's own timer: whoever drives the device calls it once a
// receipt was shown for signum.ReceiptShown. person.ErrNotShown if somebody
// touched it.
func (d *Device) TimeOut(transID string) (mssp.DeviceAnswer, error) {
	return d.endReceipt(transID, person.TimedOut, signum.ReceiptTimedOut)
}

func (d *Device) endReceipt(transID string, kind person.Kind, result signum.ReceiptResult) (mssp.DeviceAnswer, error) {
	d.mu.Lock()
	defer d.release()
	now := d.clock.Now()
	p, err := d.visible(transID, now, mssp.OpDisplay)
	if err != nil {
		return mssp.DeviceAnswer{}, err
	}
	d.note(person.Event{Kind: kind}, &p.DeviceRequest, now)
	return d.end(p, mssp.DeviceAnswer{Receipt: result}, now), nil
}

// retire takes a request off the device on behalf of the service, for the
// reason that the event names; there is no answer. It also holds for a request
// that is still on its way.
func (d *Device) retire(id name, kind person.Kind) {
	d.mu.Lock()
	defer d.release()
	now := d.clock.Now()
	d.expire(now)
	if p := d.current; p != nil && nameOf(&p.DeviceRequest) == id {
		d.note(person.Event{Kind: kind}, &p.DeviceRequest, now)
		d.current = nil
	}
	if _, known := d.memo.find(id, now); !known {
		a := mssp.DeviceAnswer{TransID: id.transID, Op: id.op}
		d.memo.add(ended{answer: a, withdrawn: true, forget: now.Add(withdrawnFor)}, now)
	}
}

// opened tells the observer that the AuthUri of a request was opened.
func (d *Device) opened(r *mssp.DeviceRequest) {
	d.mu.Lock()
	defer d.release()
	d.note(person.Event{Kind: person.Opened}, r, d.clock.Now())
}

// The rest is called with the lock held.

// visible is the request on the screen, if it is of this transaction and one
// of these operations, and still valid.
func (d *Device) visible(transID string, now time.Time, ops ...mssp.DeviceOp) (*prompt, error) {
	d.expire(now)
	if p := d.current; p != nil && p.TransID == transID {
		for _, op := range ops {
			if p.Op == op {
				return p, nil
			}
		}
	}
	return nil, person.ErrNotShown
}

// expire drops a request past its time. Only the observer is told: the service
// has its own clock.
func (d *Device) expire(now time.Time) {
	if p := d.current; p != nil && past(p.Expires, now) {
		d.current = nil
		d.note(person.Event{Kind: person.Expired}, &p.DeviceRequest, now)
	}
}

// decline ends a request that the user did not accept.
func (d *Device) decline(p *prompt, kind person.Kind, now time.Time) mssp.DeviceAnswer {
	if p.Op == mssp.OpDisplay {
		d.note(person.Event{Kind: kind}, &p.DeviceRequest, now)
		return d.end(p, mssp.DeviceAnswer{Receipt: signum.ReceiptCancelled}, now)
	}
	d.note(person.Event{Kind: kind, Code: signum.UserCancel}, &p.DeviceRequest, now)
	return d.end(p, mssp.DeviceAnswer{Fault: signum.NewFault(signum.UserCancel)}, now)
}

// end takes the request off the device and remembers its answer.
func (d *Device) end(p *prompt, a mssp.DeviceAnswer, now time.Time) mssp.DeviceAnswer {
	d.current = nil
	return d.answer(&p.DeviceRequest, a, now)
}

func (d *Device) refuse(r *mssp.DeviceRequest, code signum.Code, why string, now time.Time) mssp.DeviceAnswer {
	if code == signum.InternalError {
		d.log.Error("an App refused a request", "trans_id", r.TransID, "op", r.Op, "device", d.id, "reason", why)
	}
	d.note(person.Event{Kind: person.Refused, Code: code, Reason: why}, r, now)
	return d.answer(r, mssp.DeviceAnswer{Fault: signum.NewFault(code)}, now)
}

// answer names whose answer it is and remembers it.
func (d *Device) answer(r *mssp.DeviceRequest, a mssp.DeviceAnswer, now time.Time) mssp.DeviceAnswer {
	a.Op, a.TransID, a.DeviceID = r.Op, r.TransID, d.id
	d.memo.add(ended{answer: a, forget: r.Expires}, now)
	return a
}

// note completes the event and queues it for the observer.
func (d *Device) note(e person.Event, r *mssp.DeviceRequest, now time.Time) {
	e.Time, e.DeviceID, e.MSISDN, e.Method = now, d.id, d.msisdn, signum.App
	e.Op, e.TransID, e.Lang, e.Text, e.TriesLeft = r.Op, r.TransID, r.Lang, r.Text, d.tries
	d.seen.Add(e)
}

// release unlocks, then tells the observer.
func (d *Device) release() {
	d.mu.Unlock()
	d.seen.Flush()
}

// checkPasscode does not repeat the passcode in its error.
func checkPasscode(passcode string) error {
	if len(passcode) > 64 {
		return errors.New("the passcode is longer than 64 bytes")
	}
	return nil
}
