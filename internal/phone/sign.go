package phone

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
	"github.com/signum-mssp/signum/internal/mssp"
)

// EnterPIN is the user's consent to the signature on the screen. The right PIN
// makes it; a wrong one is a *PINError while tries are left, then the answer is
// 402 and the device stays blocked. ErrNotShown if no signature request of this
// transaction is on the screen. Any other error is of a vault that could not be
// asked; the request is then still there.
//
// Where there are verification codes, the person chooses one first; one that is
// not among them is a refusal: 401.
func (d *Device) EnterPIN(transID, pin string) (mssp.DeviceAnswer, error) {
	return d.enter(transID, pin, nil)
}

// enter lets garble, if there is one, spoil the signature.
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
		return d.decline(p, Cancelled, d.clock.Now()), nil
	}
	key, err := d.unlock(p, pin)
	now := d.clock.Now()
	if wrong := (*PINError)(nil); errors.As(err, &wrong) {
		d.setTries(wrong.TriesLeft)
		if d.tries > 0 {
			d.note(Event{Kind: PINWrong}, &p.DeviceRequest, now)
			return mssp.DeviceAnswer{}, err
		}
		d.note(Event{Kind: PINWrong, Code: signum.PINBlocked}, &p.DeviceRequest, now)
		if d.current != p { // whoever guards the vault ended it
			return mssp.DeviceAnswer{}, ErrNotShown
		}
		return d.end(p, mssp.DeviceAnswer{Fault: signum.NewFault(signum.PINBlocked)}, now), nil
	}
	if err != nil {
		return mssp.DeviceAnswer{}, err
	}
	d.setTries(MaxTries)
	d.note(Event{Kind: PINRight}, &p.DeviceRequest, now)
	signature, err := d.sign(key, p)
	if err != nil {
		d.current = nil
		return d.refuse(&p.DeviceRequest, signum.InternalError, err.Error(), now), nil
	}
	if garble != nil {
		garble(signature)
	}
	a := mssp.DeviceAnswer{Signature: signature, Choice: choice}
	if p.Locate {
		a.Location = d.where.place().location(d.spec.Method, now)
	}
	d.note(Event{Kind: Signed}, &p.DeviceRequest, now)
	return d.end(p, a, now), nil
}

// unlock gives the key to whoever knows the PIN. A *PINError says that it was
// wrong.
func (d *Device) unlock(p *prompt, pin string) (key crypto.Signer, err error) {
	if d.vault != nil {
		err = d.aside(p, func() error {
			key, err = d.vault.open(p.TransID, pin)
			return err
		})
		return key, err
	}
	if subtle.ConstantTimeCompare([]byte(pin), []byte(d.pin)) != 1 {
		return nil, &PINError{TriesLeft: d.tries - 1}
	}
	return d.key, nil
}

// chosen is the verification code that the person chooses, empty if there is
// nothing to choose.
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

// aside does something that takes long without the lock. ErrNotShown if it
// succeeded, and the request went meanwhile.
func (d *Device) aside(p *prompt, f func() error) error {
	d.mu.Unlock()
	d.seen.flush()
	err := f()
	d.mu.Lock()
	d.expire(d.clock.Now())
	if err == nil && d.current != p {
		return ErrNotShown
	}
	return err
}

// Choose sets how the person chooses among the verification codes, from now
// on: f may take its time, and what it returns counts. nil is the first code.
func (d *Device) Choose(f func(choices []string) string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.choose = f
}

// refuseSignature is why a signature may not be asked for, 0 if it may.
func (d *Device) refuseSignature(r *mssp.DeviceRequest) (signum.Code, string) {
	switch err := checkDigest(r.MimeType, r.Text, r.SignedAttrs); {
	case err != nil:
		return signum.InternalError, err.Error()
	case d.spec.Method == signum.SIM && r.MimeType == signum.MimeTxnApproval:
		return signum.InternalError, "a SIM shows no transaction approvals"
	case d.spec.Method == signum.SIM && r.App2App != nil:
		return signum.InternalError, "a SIM is no app that another can call"
	case d.key == nil:
		return signum.NoKeyFound, "the card is blank"
	case r.KeyType != "" && r.KeyType != d.keyType:
		return signum.NoKeyFound, fmt.Sprintf("the key is %s, %s is wanted", d.keyType, r.KeyType)
	case d.tries == 0:
		return signum.PINBlocked, "the PIN is blocked"
	}
	return 0, ""
}

// sign is where signatures are made. It trusts nobody's earlier check.
func (d *Device) sign(key crypto.Signer, p *prompt) ([]byte, error) {
	if err := checkDigest(p.MimeType, p.Text, p.SignedAttrs); err != nil {
		return nil, err
	}
	return useKey(key, p.SignedAttrs)
}

// prove signs that the key is here. Nobody else chooses what: signed
// attributes, which begin as a SET does, never look like it.
func (d *Device) prove(p *prompt, public []byte) ([]byte, error) {
	return useKey(d.key, mssp.ActivationProof(p.TransID, public))
}

// useKey is for sign and prove only.
func useKey(key crypto.Signer, message []byte) ([]byte, error) {
	sum := sha256.Sum256(message)
	return key.Sign(rand.Reader, sum[:], crypto.SHA256) // DER for ECDSA, PKCS #1 v1.5 for RSA
}

// checkDigest is "what you see is what you sign". Of a transaction approval
// its rows are signed, in the form that the domain gives them.
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
