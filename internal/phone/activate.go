package phone

import (
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// NewPINError means that a new PIN was not taken and is still asked for.
type NewPINError struct {
	Differ bool // the two are not the same; otherwise the format is wrong
}

func (e *NewPINError) Error() string {
	if e.Differ {
		return "the two PINs are not the same"
	}
	return "a PIN has 4 to 8 digits"
}

// SetPIN is the user who chooses a PIN for the activation on the screen, and
// enters it twice. The card then makes its key, if it has none, and proves that
// it has it; its PIN is no longer blocked. A *NewPINError means that it was not
// taken, ErrNotShown that no activation of this transaction is on the screen.
//
// The PIN is kept as long as the Device, and the key in its KeyStore: a
// Device made anew has the PIN of its spec.
func (d *Device) SetPIN(transID, first, second string) (mssp.DeviceAnswer, error) {
	return d.setPIN(transID, first, second, nil)
}

// setPIN lets garble, if there is one, spoil the proof.
func (d *Device) setPIN(transID, first, second string, garble func([]byte)) (mssp.DeviceAnswer, error) {
	d.mu.Lock()
	defer d.release()
	now := d.clock.Now()
	p, err := d.visible(transID, now, mssp.OpActivate)
	if err != nil {
		return mssp.DeviceAnswer{}, err
	}
	if err := checkNewPIN(first, second); err != nil {
		d.note(Event{Kind: PINRejected, Reason: err.Error()}, &p.DeviceRequest, now)
		return mssp.DeviceAnswer{}, err
	}
	var a mssp.DeviceAnswer
	a.PublicKey, a.Proof, err = d.activate(p)
	if err != nil {
		d.current = nil
		return d.refuse(&p.DeviceRequest, signum.InternalError, err.Error(), now), nil
	}
	if garble != nil {
		garble(a.Proof)
	}
	d.pin = first
	d.setTries(MaxTries)
	d.note(Event{Kind: PINSet}, &p.DeviceRequest, now)
	return d.end(p, a, now), nil
}

func checkNewPIN(first, second string) error {
	switch {
	case !isPIN(first):
		return &NewPINError{}
	case first != second:
		return &NewPINError{Differ: true}
	}
	return nil
}

// activate makes the key, unless there is one, and the proof.
func (d *Device) activate(p *prompt) (public, proof []byte, err error) {
	if d.key == nil {
		key, err := makeOrLoad(d.keys, d.spec.ID, p.KeyType)
		if err != nil {
			return nil, nil, err
		}
		d.key, d.keyType = key, p.KeyType
	}
	public, err = x509.MarshalPKIXPublicKey(d.key.Public())
	if err != nil {
		return nil, nil, fmt.Errorf("public key: %w", err)
	}
	proof, err = d.prove(p, public)
	return public, proof, err
}

// refuseActivation is why no PIN may be asked for, nil if it may. That the
// PIN is blocked is no reason: it will be a new one.
func (d *Device) refuseActivation(r *mssp.DeviceRequest) error {
	switch {
	case d.spec.Method != signum.SIM:
		return errors.New("only a SIM is activated")
	case r.KeyType != signum.EC && r.KeyType != signum.RSA:
		return fmt.Errorf("there is no key type %q", r.KeyType)
	case d.key != nil && d.keyType != r.KeyType:
		return fmt.Errorf("the key is %s, %s is wanted", d.keyType, r.KeyType)
	}
	return nil
}
