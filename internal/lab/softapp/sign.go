package softapp

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/cms"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/visible"
)

// EnterPIN enters the passcode for the signature request on the screen. The right
// one makes the signature. A wrong one is a *PINError while tries are left; after
// the last one the answer is 402, and the device stays blocked.
// person.ErrNotShown if the screen shows no signature request of this
// transaction. Any other error means that the vault could not be asked; the
// request is then still on the screen.
//
// If there are verification codes, the person chooses one first. A code that is
// not among them declines the request: 401.
func (d *Device) EnterPIN(transID, pin string) (mssp.DeviceAnswer, error) {
	return d.enter(transID, pin, nil)
}

// enter is EnterPIN. If garble is not nil, it may change the signature.
func (d *Device) enter(transID, pin string, garble func([]byte)) (mssp.DeviceAnswer, error) {
	d.mu.Lock()
	defer d.release()
	p, err := d.visible(transID, d.clock.Now(), mssp.OpSign)
	if err != nil {
		return mssp.DeviceAnswer{}, err
	}
	choice, err := d.chosen(p)
	if err != nil {
		return mssp.DeviceAnswer{}, err
	}
	if len(p.Choices) > 0 && !slices.Contains(p.Choices, choice) {
		return d.decline(p, person.Cancelled, d.clock.Now()), nil
	}
	var key crypto.Signer
	err = d.aside(p, func() error {
		key, err = d.vault.open(p.TransID, pin)
		return err
	})
	now := d.clock.Now()
	if wrong := (*PINError)(nil); errors.As(err, &wrong) {
		return d.rejected(p, wrong)
	}
	if err != nil {
		return mssp.DeviceAnswer{}, err
	}
	d.tries = MaxTries
	d.note(person.Event{Kind: person.PINRight}, &p.DeviceRequest, now)
	signature, err := sign(key, p)
	if err != nil {
		d.current = nil
		return d.refuse(&p.DeviceRequest, signum.InternalError, err.Error(), now), nil
	}
	if garble != nil {
		garble(signature)
	}
	a := mssp.DeviceAnswer{Signature: signature, Choice: choice}
	if p.Locate {
		a.Location = d.person.Place().Location(signum.App, now)
	}
	d.note(person.Event{Kind: person.Signed}, &p.DeviceRequest, now)
	return d.end(p, a, now), nil
}

// rejected handles a wrong passcode.
func (d *Device) rejected(p *prompt, wrong *PINError) (mssp.DeviceAnswer, error) {
	d.tries = wrong.TriesLeft
	now := d.clock.Now()
	if d.tries > 0 {
		d.note(person.Event{Kind: person.PINWrong}, &p.DeviceRequest, now)
		return mssp.DeviceAnswer{}, wrong
	}
	d.note(person.Event{Kind: person.PINWrong, Code: signum.PINBlocked}, &p.DeviceRequest, now)
	if d.current != p { // the service has ended it
		return mssp.DeviceAnswer{}, person.ErrNotShown
	}
	return d.end(p, mssp.DeviceAnswer{Fault: signum.NewFault(signum.PINBlocked)}, now), nil
}

// chosen returns the verification code that the person chooses; empty if there is
// none to choose.
func (d *Device) chosen(p *prompt) (choice string, err error) {
	if len(p.Choices) == 0 {
		return "", nil
	}
	choose := d.choose
	if choose == nil {
		return p.Choices[0], nil
	}
	err = d.aside(p, func() error {
		choice = choose(slices.Clone(p.Choices))
		return nil
	})
	return choice, err
}

// aside does something slow without holding mu. The error is person.ErrNotShown if
// it succeeded but the request has left the screen in the meantime.
func (d *Device) aside(p *prompt, f func() error) error {
	err := d.unlocked(f)
	d.expire(d.clock.Now())
	if err == nil && d.current != p {
		return person.ErrNotShown
	}
	return err
}

// unlocked calls f without holding mu. It locks mu again even if f panics, because
// the callers unlock it in a defer.
func (d *Device) unlocked(f func() error) error {
	d.mu.Unlock()
	defer d.mu.Lock()
	d.observer.Flush()
	return f()
}

// Choose sets how the person chooses a verification code from now on: f returns
// it, and may block. With nil, the person takes the first code.
func (d *Device) Choose(f func(choices []string) string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.choose = f
}

// sign makes all signatures. It checks the digest again, whatever was checked
// before.
func sign(key crypto.Signer, p *prompt) ([]byte, error) {
	if err := checkDigest(p.MimeType, p.Text, p.SignedAttrs); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(p.SignedAttrs)
	return key.Sign(rand.Reader, sum[:], crypto.SHA256) // DER
}

// checkVisible returns an error if a person could not see every character of a text.
func checkVisible(mimeType, text string) error {
	texts := []string{text}
	if mimeType == signum.MimeTxnApproval {
		a, err := signum.ParseTxnApproval(text)
		if err != nil {
			return fmt.Errorf("the transaction approval: %w", err)
		}
		texts = []string{a.Type}
		for _, r := range a.Rows {
			texts = append(texts, r.Key, r.Value)
		}
	}
	for _, s := range texts {
		if err := visible.Check(s); err != nil {
			return fmt.Errorf("the text has %w", err)
		}
	}
	return nil
}

// checkDigest enforces "what you see is what you sign". Of a transaction approval
// the rows are signed, see signum.SignedContent.
func checkDigest(mimeType, text string, attrs []byte) error {
	digest, err := cms.MessageDigest(attrs)
	if err != nil {
		return fmt.Errorf("the signed attributes: %w", err)
	}
	content, err := signum.SignedContent(mimeType, text)
	if err != nil {
		return fmt.Errorf("the transaction approval: %w", err)
	}
	sum := sha256.Sum256([]byte(content))
	if subtle.ConstantTimeCompare(digest, sum[:]) != 1 {
		return errors.New("messageDigest is not the SHA-256 of the text")
	}
	return nil
}
