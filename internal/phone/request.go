package phone

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/cms"
)

// Reception is what a device makes of a request that arrived.
type Reception struct {
	// Asked is true if the text came on the screen now. It is false when the
	// user is being asked already, or need not be.
	Asked bool
	// Answers are to be sent now: to this request, if the device decides
	// without its user, and to the one that it replaced.
	Answers []signum.DeviceAnswer
}

// Receive takes a request off a bearer. The device refuses what it must not
// or cannot sign without showing it: 900 if messageDigest is not that of the
// text, 404 if it has no key of the wanted kind, 402 if its PIN is blocked,
// 406 if it is a SIM and busy. A request that it knows is not shown again; if
// it was answered, the answer is repeated. One that is past its time is
// dropped. The request's SignedAttrs are kept: the caller must not change them.
func (d *Device) Receive(r signum.DeviceRequest) Reception { return d.receive(r, 0) }

// receive also lets the caller play a device that has no key, or whose PIN is
// blocked: refuse is the code that it then answers.
func (d *Device) receive(r signum.DeviceRequest, refuse signum.Code) Reception {
	d.mu.Lock()
	defer d.release()
	now := d.clock.Now()
	d.expire(now)
	if d.shown != nil && d.shown.TransID == r.TransID {
		return Reception{}
	}
	if e, ok := d.memo.find(r.TransID, now); ok {
		if e.withdrawn {
			return Reception{}
		}
		return Reception{Answers: []signum.DeviceAnswer{e.answer}}
	}
	if past(r.Expires, now) {
		d.note(Event{Kind: Expired}, &r, now)
		return Reception{}
	}
	if code, why := d.refusal(&r, refuse); code != 0 {
		return Reception{Answers: []signum.DeviceAnswer{d.refuse(&r, code, why, now)}}
	}
	var got Reception
	if old := d.shown; old != nil {
		if d.spec.Method == signum.SIM {
			why := "the SIM is busy with transaction " + old.TransID
			return Reception{Answers: []signum.DeviceAnswer{d.refuse(&r, signum.PBSignatureProcess, why, now)}}
		}
		got.Answers = []signum.DeviceAnswer{d.end(old, nil, signum.UserCancel, now)}
		d.note(Event{Kind: Replaced, Code: signum.UserCancel}, &old.DeviceRequest, now)
	}
	d.shown = &prompt{DeviceRequest: r, since: now}
	d.note(Event{Kind: Shown}, &r, now)
	got.Asked = true
	return got
}

// refusal is why a request may not be shown, 0 if it may.
func (d *Device) refusal(r *signum.DeviceRequest, played signum.Code) (signum.Code, string) {
	if played != 0 {
		return played, "behaviour"
	}
	if err := checkDigest(r.Text, r.SignedAttrs); err != nil {
		return signum.InternalError, err.Error()
	}
	if r.KeyType != "" && r.KeyType != d.spec.KeyType {
		return signum.NoKeyFound, fmt.Sprintf("the key is %s, %s is wanted", d.spec.KeyType, r.KeyType)
	}
	if d.tries == 0 {
		return signum.PINBlocked, "the PIN is blocked"
	}
	return 0, ""
}

// knows reports whether the request is shown or was ended.
func (d *Device) knows(transID string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shown != nil && d.shown.TransID == transID {
		return true
	}
	_, ok := d.memo.find(transID, d.clock.Now())
	return ok
}

// EnterPIN is the user's consent to the request on the screen. The right PIN
// makes the signature; a wrong one is a *PINError while tries are left, then
// the answer is 402 and the device stays blocked. ErrNotShown if the request is
// not on the screen.
func (d *Device) EnterPIN(transID, pin string) (signum.DeviceAnswer, error) {
	return d.enter(transID, pin, nil)
}

// enter lets garble, if there is one, spoil the signature.
func (d *Device) enter(transID, pin string, garble func([]byte)) (signum.DeviceAnswer, error) {
	d.mu.Lock()
	defer d.release()
	now := d.clock.Now()
	p, err := d.prompt(transID, now)
	if err != nil {
		return signum.DeviceAnswer{}, err
	}
	if subtle.ConstantTimeCompare([]byte(pin), []byte(d.spec.PIN)) != 1 {
		d.setTries(d.tries - 1)
		if d.tries > 0 {
			d.note(Event{Kind: PINWrong}, &p.DeviceRequest, now)
			return signum.DeviceAnswer{}, &PINError{TriesLeft: d.tries}
		}
		d.note(Event{Kind: PINWrong, Code: signum.PINBlocked}, &p.DeviceRequest, now)
		return d.end(p, nil, signum.PINBlocked, now), nil
	}
	d.setTries(MaxTries)
	d.note(Event{Kind: PINRight}, &p.DeviceRequest, now)
	signature, err := d.sign(p)
	if err != nil {
		d.shown = nil
		return d.refuse(&p.DeviceRequest, signum.InternalError, err.Error(), now), nil
	}
	if garble != nil {
		garble(signature)
	}
	d.note(Event{Kind: Signed}, &p.DeviceRequest, now)
	return d.end(p, signature, 0, now), nil
}

// Cancel is the user's refusal of the request on the screen: 401. ErrNotShown
// if it is not there.
func (d *Device) Cancel(transID string) (signum.DeviceAnswer, error) {
	d.mu.Lock()
	defer d.release()
	now := d.clock.Now()
	p, err := d.prompt(transID, now)
	if err != nil {
		return signum.DeviceAnswer{}, err
	}
	d.note(Event{Kind: Cancelled, Code: signum.UserCancel}, &p.DeviceRequest, now)
	return d.end(p, nil, signum.UserCancel, now), nil
}

// Withdraw takes a request off the screen on behalf of the MSSP; there is no
// answer. It also holds for a request that is still on its way. False if there
// was nothing to take off.
func (d *Device) Withdraw(transID string) bool {
	d.mu.Lock()
	defer d.release()
	now := d.clock.Now()
	p, err := d.prompt(transID, now)
	if err == nil {
		d.note(Event{Kind: Withdrawn}, &p.DeviceRequest, now)
		d.shown = nil
	}
	if _, ok := d.memo.find(transID, now); !ok {
		d.memo.add(ended{answer: signum.DeviceAnswer{TransID: transID}, withdrawn: true, forget: now.Add(withdrawnFor)}, now)
	}
	return err == nil
}

// sign is the only use of the private key. It trusts nobody's earlier check.
func (d *Device) sign(p *prompt) ([]byte, error) {
	if err := checkDigest(p.Text, p.SignedAttrs); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(p.SignedAttrs)
	return d.key.Sign(rand.Reader, sum[:], crypto.SHA256) // DER for ECDSA, PKCS #1 v1.5 for RSA
}

// checkDigest is "what you see is what you sign".
func checkDigest(text string, attrs []byte) error {
	digest, err := cms.MessageDigest(attrs)
	if err != nil {
		return fmt.Errorf("the signed attributes: %w", err)
	}
	sum := sha256.Sum256([]byte(text))
	if subtle.ConstantTimeCompare(digest, sum[:]) != 1 {
		return errors.New("messageDigest is not the SHA-256 of the text")
	}
	return nil
}

// The rest is called with the lock held.

// prompt is the request on the screen, if it is this one and still valid.
func (d *Device) prompt(transID string, now time.Time) (*prompt, error) {
	d.expire(now)
	if d.shown == nil || d.shown.TransID != transID {
		return nil, ErrNotShown
	}
	return d.shown, nil
}

// expire clears the screen of a request past its time. Nobody is told but the
// observer: the MSSP has its own clock.
func (d *Device) expire(now time.Time) {
	if p := d.shown; p != nil && past(p.Expires, now) {
		d.shown = nil
		d.note(Event{Kind: Expired}, &p.DeviceRequest, now)
	}
}

// end takes the request off the screen and remembers its answer.
func (d *Device) end(p *prompt, signature []byte, code signum.Code, now time.Time) signum.DeviceAnswer {
	d.shown = nil
	return d.answer(&p.DeviceRequest, signature, code, now)
}

func (d *Device) refuse(r *signum.DeviceRequest, code signum.Code, why string, now time.Time) signum.DeviceAnswer {
	if code == signum.InternalError {
		d.log.Error("phone refused to sign", "trans_id", r.TransID, "device", d.spec.ID, "reason", why)
	}
	d.note(Event{Kind: Refused, Code: code, Reason: why}, r, now)
	return d.answer(r, nil, code, now)
}

func (d *Device) answer(r *signum.DeviceRequest, signature []byte, code signum.Code, now time.Time) signum.DeviceAnswer {
	a := signum.DeviceAnswer{TransID: r.TransID, DeviceID: d.spec.ID, Signature: signature}
	if code != 0 {
		a.Fault = signum.NewFault(code)
	}
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
	if err := d.keys.PutTriesLeft(d.spec.ID, n); err != nil {
		d.log.Error("PIN counter not kept", "device", d.spec.ID, "err", err)
	}
}

// note completes the event and queues it for the observer.
func (d *Device) note(e Event, r *signum.DeviceRequest, now time.Time) {
	e.Time, e.DeviceID, e.MSISDN, e.Method = now, d.spec.ID, d.spec.MSISDN, d.spec.Method
	e.TransID, e.Lang, e.Text, e.TriesLeft = r.TransID, r.Lang, r.Text, d.tries
	d.seen.add(e)
}

// release unlocks, then tells the observer.
func (d *Device) release() {
	d.mu.Unlock()
	d.seen.flush()
}
