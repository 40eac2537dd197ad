package phone

import (
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// Acknowledge is the user who presses OK on the receipt on the screen.
// ErrNotShown if no receipt of this transaction is there.
func (d *Device) Acknowledge(transID string) (mssp.DeviceAnswer, error) {
	return d.endReceipt(transID, Acknowledged, signum.ReceiptAccepted)
}

// TimeOut is the card's own timer: whoever drives the device calls it once a
// receipt was shown for signum.ReceiptShown. ErrNotShown if somebody touched
// it.
func (d *Device) TimeOut(transID string) (mssp.DeviceAnswer, error) {
	return d.endReceipt(transID, TimedOut, signum.ReceiptTimedOut)
}

func (d *Device) endReceipt(transID string, kind Kind, result signum.ReceiptResult) (mssp.DeviceAnswer, error) {
	d.mu.Lock()
	defer d.release()
	now := d.clock.Now()
	p, err := d.visible(transID, now, mssp.OpDisplay)
	if err != nil {
		return mssp.DeviceAnswer{}, err
	}
	d.note(Event{Kind: kind}, &p.DeviceRequest, now)
	return d.end(p, mssp.DeviceAnswer{Receipt: result}, now), nil
}

// legible is the text to be shown: that of the request, decrypted if need be.
//
// Whoever learns whether a text in PKCS #1 v1.5 decrypts can, with very many
// of them, use the key. The answer does not tell padding from alphabet, but it
// tells success: this is how the cards are, and no way to keep a real key.
func (d *Device) legible(r *mssp.DeviceRequest) (string, error) {
	if r.Op != mssp.OpDisplay || r.MimeType != signum.MimeRSAMessage {
		return r.Text, nil
	}
	key, ok := d.key.(crypto.Decrypter)
	if !ok || d.spec.Method != signum.SIM || d.keyType != signum.RSA {
		return "", errors.New("an encrypted receipt needs a SIM with an RSA key")
	}
	sealed, err := base64.StdEncoding.DecodeString(r.Text)
	if err != nil {
		return "", fmt.Errorf("encrypted receipt: %w", err)
	}
	plain, err := key.Decrypt(nil, sealed, nil) // no options: PKCS #1 v1.5
	if err != nil {
		return "", fmt.Errorf("encrypted receipt: %w", err)
	}
	text, err := decodeAlpha(plain)
	if err != nil {
		return "", fmt.Errorf("encrypted receipt: %w", err)
	}
	return text, nil
}
