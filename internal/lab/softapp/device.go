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

// PINError means that the passcode was wrong. The request stays on the screen while
// TriesLeft is not 0.
type PINError struct{ TriesLeft int }

func (e *PINError) Error() string { return fmt.Sprintf("wrong passcode, %d tries left", e.TriesLeft) }

// Device is the part of an App that shows and signs, by the rule "what you see is
// what you sign". It does not know the protocol and acts only when it is called.
// It is safe for concurrent use.
//
// It shows one request at a time. A newer one replaces it, and the one replaced
// is answered with 401, or with CANCEL if it was a receipt.
type Device struct {
	id, msisdn string
	clock      mssp.Clock
	log        *slog.Logger
	observer   *person.Observer
	person     *person.Person
	vault      vault
	public     *ecdsa.PublicKey

	mu      sync.Mutex // released while the vault or the person is asked, see aside
	pin     string     // the passcode that the person knows
	tries   int        // tries left, as the vault last reported
	choose  func([]string) string
	current *prompt // the request on the screen; nil if none
	memo    memo
}

// vault protects the key of an App. It opens with the passcode and the help of the
// service, which counts wrong ones.
type vault interface {
	// open unlocks the key for one signature in this transaction. A *PINError means
	// that the passcode was wrong; with no tries left, the App is blocked.
	open(transID, passcode string) (crypto.Signer, error)
}

// prompt is the request on the screen.
type prompt struct {
	mssp.DeviceRequest
	since time.Time
}

// String names the device without its secrets and with the number masked.
func (d *Device) String() string {
	return fmt.Sprintf("App %s of %s", d.id, signum.MaskMSISDN(d.msisdn))
}

// GoString is String, so that %#v prints no secrets either.
func (d *Device) GoString() string { return d.String() }

// ID returns the device ID.
func (d *Device) ID() string { return d.id }

// MSISDN returns the subscriber's number, E.164 with leading +.
func (d *Device) MSISDN() string { return d.msisdn }

// PublicKey returns the public key of the signing key.
func (d *Device) PublicKey() *ecdsa.PublicKey { return d.public }

// knownPIN returns the passcode that the person knows.
func (d *Device) knownPIN() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.pin
}

// TriesLeft returns how many tries for the passcode are left; at 0 the device is
// blocked.
func (d *Device) TriesLeft() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.tries
}

// Unblock restores the tries, as after the service has unblocked the App.
func (d *Device) Unblock() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tries = MaxTries
}

// Block sets that the service has blocked the App.
func (d *Device) Block() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tries = 0
}

// Screen is what the device shows.
type Screen struct {
	Op       mssp.DeviceOp
	TransID  string
	Party    string // the name of the party that asks, as the service says; above Text
	Lang     string // language of the device's own texts: en, de, fr or it
	MimeType string
	Text     string
	Since    time.Time
	Expires  time.Time
}

// Shown returns what is on the screen; false if nothing is.
func (d *Device) Shown() (Screen, bool) {
	d.mu.Lock()
	defer d.release()
	d.expire(d.clock.Now())
	p := d.current
	if p == nil {
		return Screen{}, false
	}
	return Screen{
		Op: p.Op, TransID: p.TransID, Party: p.Party.Name, Lang: p.Lang, MimeType: p.MimeType, Text: p.Text, Since: p.since, Expires: p.Expires,
	}, true
}

// shownKey returns the zero key if nothing is shown.
func (d *Device) shownKey() requestKey {
	if s, ok := d.Shown(); ok {
		return requestKey{s.TransID, s.Op}
	}
	return requestKey{}
}

// reception is the result of receive.
type reception struct {
	// asked is true if the request has just come on the screen. It is false if the
	// request is there already, or if the device decides without its user.
	asked bool
	// answers must be sent now: to this request if the device decided, and to the
	// one that it replaced.
	answers []mssp.DeviceAnswer
}

// receive handles a request that arrived. The device refuses, without showing it,
// a text that hides something (900), a request whose messageDigest is not that of the
// text (900), and any signature while it is blocked (402). If play is not 0, it refuses with that code. A known
// request is not shown again; if it was answered, the answer is repeated. An
// expired request is dropped.
func (d *Device) receive(r mssp.DeviceRequest, play signum.Code) (got reception) {
	d.mu.Lock()
	defer d.release()
	now := d.clock.Now()
	d.expire(now)
	if d.current != nil && keyOf(&d.current.DeviceRequest) == keyOf(&r) {
		return got
	}
	if e, ok := d.memo.find(keyOf(&r), now); ok {
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

// refusal returns why a request may not be shown; 0 if it may.
func (d *Device) refusal(r *mssp.DeviceRequest, play signum.Code) (signum.Code, string) {
	switch {
	case play != 0:
		return play, "behaviour"
	case r.Op != mssp.OpSign && r.Op != mssp.OpDisplay:
		return signum.InternalError, fmt.Sprintf("Apps do not support operation %d", r.Op)
	}
	if err := checkVisible(r.MimeType, r.Text); err != nil {
		return signum.InternalError, err.Error()
	}
	if r.Op == mssp.OpDisplay {
		return 0, ""
	}
	if err := checkDigest(r.MimeType, r.Text, r.SignedAttrs); err != nil {
		return signum.InternalError, err.Error()
	}
	if d.tries == 0 {
		return signum.PINBlocked, "the passcode is blocked"
	}
	return 0, ""
}

// Cancel declines what is on the screen: 401, or CANCEL to a receipt.
// person.ErrNotShown if it is not a request of this transaction.
func (d *Device) Cancel(transID string) (mssp.DeviceAnswer, error) {
	return d.cancel(transID, mssp.OpSign, mssp.OpDisplay)
}

// Report declines the signature request on the screen, because somebody else made it:
// 401. person.ErrNotShown if it is not a request of this transaction.
func (d *Device) Report(transID string) (mssp.DeviceAnswer, error) {
	d.mu.Lock()
	defer d.release()
	now := d.clock.Now()
	p, err := d.visible(transID, now, mssp.OpSign)
	if err != nil {
		return mssp.DeviceAnswer{}, err
	}
	d.note(person.Event{Kind: person.Reported, Code: signum.UserCancel}, &p.DeviceRequest, now)
	return d.end(p, mssp.DeviceAnswer{Fault: signum.NewFault(signum.UserCancel), Reported: true}, now), nil
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

// Acknowledge presses OK on the receipt on the screen. person.ErrNotShown if it is
// not a receipt of this transaction.
func (d *Device) Acknowledge(transID string) (mssp.DeviceAnswer, error) {
	return d.endReceipt(transID, person.Acknowledged, signum.ReceiptAccepted)
}

// TimeOut times out the receipt on the screen. The caller must call it when the
// receipt has been shown for signum.ReceiptShown. person.ErrNotShown if it is no
// longer there.
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

// retire removes a request that the service has ended, without an answer. kind is
// the reason. A request that has not arrived yet will not be shown.
func (d *Device) retire(id requestKey, kind person.Kind) {
	d.mu.Lock()
	defer d.release()
	now := d.clock.Now()
	d.expire(now)
	if p := d.current; p != nil && keyOf(&p.DeviceRequest) == id {
		d.note(person.Event{Kind: kind}, &p.DeviceRequest, now)
		d.current = nil
	}
	if _, known := d.memo.find(id, now); !known {
		a := mssp.DeviceAnswer{TransID: id.transID, Op: id.op}
		d.memo.add(ended{answer: a, withdrawn: true, forget: now.Add(withdrawnFor)}, now)
	}
}

// opened reports to the observer that the AuthUri of a request was opened.
func (d *Device) opened(r *mssp.DeviceRequest) {
	d.mu.Lock()
	defer d.release()
	d.note(person.Event{Kind: person.Opened}, r, d.clock.Now())
}

// The functions below require mu to be held.

// visible returns the request on the screen if it has this transaction and one of
// these operations and has not expired. person.ErrNotShown otherwise.
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

// expire drops the request on the screen if it has expired. The service is not
// told: it has its own clock.
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

// end removes the request from the screen and remembers its answer.
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

// answer completes an answer with its request and device, and remembers it.
func (d *Device) answer(r *mssp.DeviceRequest, a mssp.DeviceAnswer, now time.Time) mssp.DeviceAnswer {
	a.Op, a.TransID, a.DeviceID = r.Op, r.TransID, d.id
	d.memo.add(ended{answer: a, forget: r.Expires}, now)
	return a
}

// note completes an event and queues it for the observer.
func (d *Device) note(e person.Event, r *mssp.DeviceRequest, now time.Time) {
	e.Time, e.DeviceID, e.MSISDN, e.Method = now, d.id, d.msisdn, signum.App
	e.Op, e.TransID, e.Party, e.Lang, e.Text, e.TriesLeft = r.Op, r.TransID, r.Party.Name, r.Lang, r.Text, d.tries
	d.observer.Add(e)
}

// release unlocks mu and then delivers the queued events, so that the observer may
// call the device.
func (d *Device) release() {
	d.mu.Unlock()
	d.observer.Flush()
}

// checkPasscode checks the length. Its error does not contain the passcode.
func checkPasscode(passcode string) error {
	if len(passcode) > 64 {
		return errors.New("the passcode is longer than 64 bytes")
	}
	return nil
}
