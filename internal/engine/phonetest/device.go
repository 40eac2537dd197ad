package phonetest

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/cms"
	"github.com/signum-mssp/signum/internal/mssp"
)

// ErrNotShown means that the screen does not show the transaction: it was never shown, or
// it has been answered, withdrawn or replaced, or has expired.
var ErrNotShown = errors.New("the request is not on the screen")

// Spec describes a device.
type Spec struct {
	ID      string         // unique over all users
	MSISDN  string         // E.164 with leading +
	Method  signum.Method  // SIM or App
	KeyType signum.KeyType // EC (P-256) or RSA (2048 bits); empty: EC
	// Blank means a SIM without a key until it is activated. The activation, not
	// KeyType, determines the type of the key.
	Blank bool
}

// Device is a SIM or an App that a test controls. It is safe for concurrent use.
type Device struct {
	spec Spec
	c    *Config

	mu      sync.Mutex // held while it signs: a device does one thing at a time
	key     crypto.Signer
	current *mssp.DeviceRequest // on the screen, or waiting for Open
	waiting bool
	choice  string
	ended   []ended // oldest first
}

// ended is a request that was answered or withdrawn.
type ended struct {
	transID string
	op      mssp.DeviceOp
	answer  *mssp.DeviceAnswer // nil: all operations of the transaction are withdrawn
}

// maxEnded is how many ended requests a device remembers. Only a few can be
// handed over again, since a method has one outstanding transaction at a time.
const maxEnded = 32

// reception is a device's reaction to a request.
type reception struct {
	shown  *mssp.DeviceRequest // now on the screen; nil: nothing new
	answer *mssp.DeviceAnswer  // without the user; nil: none
}

func newDevice(s Spec, c *Config) (*Device, error) {
	if s.KeyType == "" {
		s.KeyType = signum.EC
	}
	if s.ID == "" || s.MSISDN == "" || s.Method != signum.SIM && s.Method != signum.App {
		return nil, fmt.Errorf("a device needs an ID, an MSISDN and a method: %+v", s)
	}
	d := &Device{spec: s, c: c}
	var err error
	if s.Blank {
		d.key = c.Keys.find(s.ID)
	} else {
		d.key, err = c.Keys.findOrMake(s.ID, s.KeyType)
	}
	return d, err
}

// Key returns the private key of the device, an *ecdsa.PrivateKey or *rsa.PrivateKey, or nil
// while it is blank.
func (d *Device) Key() crypto.Signer {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.key
}

// Choose sets the verification code that the user chooses from now on. A code that the
// request does not offer results in 401. Without Choose, the user takes the first code.
func (d *Device) Choose(code string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.choice = code
}

// Shown returns the request on the screen as it was received, or false if there is none.
func (d *Device) Shown() (mssp.DeviceRequest, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.expire()
	if d.current == nil || d.waiting {
		return mssp.DeviceRequest{}, false
	}
	return *d.current, true
}

func (d *Device) receive(r mssp.DeviceRequest, does Action) reception {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.expire()
	if d.current != nil && d.current.TransID == r.TransID && d.current.Op == r.Op || past(r.Expires, d.c.Clock.Now()) {
		return reception{}
	}
	for _, e := range d.ended {
		if e.transID == r.TransID && (e.answer == nil || e.op == r.Op) {
			return reception{answer: e.answer}
		}
	}
	if code := d.refusal(&r, does); code != 0 {
		return reception{answer: d.end(&r, mssp.DeviceAnswer{Fault: signum.NewFault(code)})}
	}
	d.current, d.waiting = &r, r.App2App != nil
	if d.waiting {
		return reception{}
	}
	return reception{shown: &r}
}

// refusal returns the code that the device answers without asking its user, or 0 if it asks.
// An App replaces the request that it shows with a newer one, because the engine has ended
// the older transaction. But a receipt never replaces a request for a signature.
func (d *Device) refusal(r *mssp.DeviceRequest, does Action) signum.Code {
	if r.Op == mssp.OpSign {
		switch {
		case does == Blocked:
			return signum.PINBlocked
		case does == NoKey, d.key == nil, r.KeyType != "" && r.KeyType != keyType(d.key):
			return signum.NoKeyFound
		case checkDigest(r) != nil:
			return signum.InternalError
		}
	}
	if d.current != nil && (d.spec.Method == signum.SIM || r.Op == mssp.OpDisplay && d.current.Op != mssp.OpDisplay) {
		return signum.PBSignatureProcess
	}
	return 0
}

// open shows the request that waits for this session token.
func (d *Device) open(token string) reception {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.expire()
	sum := sha256.Sum256([]byte(token))
	if d.current == nil || !d.waiting || d.current.App2App.TokenHash != hex.EncodeToString(sum[:]) {
		return reception{}
	}
	d.waiting = false
	return reception{shown: d.current}
}

// withdraw removes a transaction from the device, even if its request has not arrived yet.
// A device that has answered may still be asked to show the receipt, and may already do so.
func (d *Device) withdraw(transID string, answered bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	receipt := d.current != nil && d.current.Op == mssp.OpDisplay
	if d.current != nil && d.current.TransID == transID && !(answered && receipt) {
		d.current = nil
	}
	if !answered {
		d.remember(ended{transID: transID})
	}
}

// Act is like Phones.Act, but returns the answer, without a location, instead of sending it.
func (d *Device) Act(transID string, do Action) (mssp.DeviceAnswer, error) {
	return d.act(transID, do, func(time.Time) *mssp.Location { return nil })
}

func (d *Device) act(transID string, do Action, place func(time.Time) *mssp.Location) (mssp.DeviceAnswer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.expire()
	r := d.current
	if r == nil || d.waiting || r.TransID != transID {
		return mssp.DeviceAnswer{}, ErrNotShown
	}
	var a mssp.DeviceAnswer
	var err error
	switch r.Op {
	case mssp.OpDisplay:
		a = acknowledge(do)
	case mssp.OpActivate:
		a, err = d.activate(r, do)
	default:
		a, err = d.sign(r, do)
		if a.Signature != nil && r.Locate {
			a.Location = place(d.c.Clock.Now())
		}
	}
	if err != nil {
		return mssp.DeviceAnswer{}, err
	}
	d.current = nil
	return *d.end(r, a), nil
}

func (d *Device) sign(r *mssp.DeviceRequest, do Action) (a mssp.DeviceAnswer, err error) {
	if len(r.Choices) > 0 {
		if a.Choice = d.choice; a.Choice == "" {
			a.Choice = r.Choices[0]
		}
	}
	switch {
	case do == Cancel, a.Choice != "" && !slices.Contains(r.Choices, a.Choice):
		return mssp.DeviceAnswer{Fault: signum.NewFault(signum.UserCancel)}, nil
	case do == WrongPIN:
		return mssp.DeviceAnswer{Fault: signum.NewFault(signum.PINBlocked)}, nil
	}
	a.Signature, err = d.use(r.SignedAttrs, do)
	return a, err
}

// activate generates a key if there is none, and proves its possession.
func (d *Device) activate(r *mssp.DeviceRequest, do Action) (a mssp.DeviceAnswer, err error) {
	if do == Cancel || do == WrongPIN {
		return mssp.DeviceAnswer{Fault: signum.NewFault(signum.UserCancel)}, nil
	}
	if d.key == nil {
		if d.key, err = d.c.Keys.findOrMake(d.spec.ID, r.KeyType); err != nil {
			return a, err
		}
	}
	if a.PublicKey, err = x509.MarshalPKIXPublicKey(d.key.Public()); err != nil {
		return a, err
	}
	a.Proof, err = d.use(mssp.ActivationProof(r.TransID, a.PublicKey), do)
	return a, err
}

// use signs with the key: DER for ECDSA, PKCS #1 v1.5 for RSA.
func (d *Device) use(message []byte, do Action) ([]byte, error) {
	sum := sha256.Sum256(message)
	signature, err := d.key.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err == nil && do == BadSignature {
		signature[len(signature)-1] ^= 1 // still well-formed
	}
	return signature, err
}

func acknowledge(do Action) mssp.DeviceAnswer {
	switch do {
	case Cancel:
		return mssp.DeviceAnswer{Receipt: signum.ReceiptCancelled}
	case TimeOut:
		return mssp.DeviceAnswer{Receipt: signum.ReceiptTimedOut}
	}
	return mssp.DeviceAnswer{Receipt: signum.ReceiptAccepted}
}

// end completes an answer and remembers it.
func (d *Device) end(r *mssp.DeviceRequest, a mssp.DeviceAnswer) *mssp.DeviceAnswer {
	a.Op, a.TransID, a.DeviceID = r.Op, r.TransID, d.spec.ID
	d.remember(ended{transID: r.TransID, op: r.Op, answer: &a})
	return &a
}

func (d *Device) remember(e ended) {
	if len(d.ended) == maxEnded {
		d.ended = slices.Delete(d.ended, 0, 1)
	}
	d.ended = append(d.ended, e)
}

// expire drops a request that is past its time.
func (d *Device) expire() {
	if d.current != nil && past(d.current.Expires, d.c.Clock.Now()) {
		d.current = nil
	}
}

func past(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }

// checkDigest verifies that the attributes are those of the text that is shown, or of the rows
// of a transaction approval.
func checkDigest(r *mssp.DeviceRequest) error {
	digest, err := cms.MessageDigest(r.SignedAttrs)
	if err != nil {
		return err
	}
	content, err := signum.SignedContent(r.MimeType, r.Text)
	if err != nil {
		return err
	}
	if sum := sha256.Sum256([]byte(content)); !slices.Equal(digest, sum[:]) {
		return errors.New("messageDigest is not the SHA-256 of the text")
	}
	return nil
}
