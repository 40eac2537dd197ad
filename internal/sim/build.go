package sim

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/cms"
	"github.com/signum-mssp/signum/internal/mssp"
)

const (
	keyID = 1 // cards have no other

	// The part of the remaining time that the user does not get, because the answer
	// must come back.
	wayBack    = 4 * time.Second
	leastAsked = time.Second
	mostAsked  = 65535 * time.Second // the applet's field holds no more
)

// spi is the security of requests (docs/sim-applet.md, clause 1): checksum,
// encryption, counter must be higher; proof of receipt always, with checksum,
// encrypted, by SMS-SUBMIT.
var spi = [2]byte{0x16, 0x39}

// build builds the applet request of a step. After an error the card must not be
// asked.
func (c *Channel) build(q *request, op applet.Op, now time.Time) (*applet.Request, error) {
	r := &applet.Request{
		Op: op, ID: q.id, KeyID: keyID, Algorithm: algorithmOf(q.KeyType),
		Timeout: timeout(&q.DeviceRequest, q.giveUpAt, now), Lang: q.Lang,
	}
	switch op {
	case applet.Sign:
		return r, fillSign(r, &q.DeviceRequest)
	case applet.Display:
		return r, fillDisplay(r, &q.DeviceRequest)
	case applet.GenKey:
		r.Challenge = q.TransID
	}
	return r, nil
}

func algorithmOf(k signum.KeyType) applet.Algorithm {
	switch k {
	case signum.EC:
		return applet.EC
	case signum.RSA:
		return applet.RSA
	}
	return 0
}

// timeout is how long the user has to answer, in whole seconds.
func timeout(r *mssp.DeviceRequest, until, now time.Time) time.Duration {
	left := until.Sub(now)
	left -= min(wayBack, left/4)
	if r.Op == mssp.OpDisplay {
		left = min(left, signum.ReceiptShown)
	}
	return min(max(left.Truncate(time.Second), leastAsked), mostAsked)
}

// fillSign adds the text and the other inputs from which the card rebuilds the signed
// attributes. It checks that rebuilding them from the encoded text gives exactly the
// attributes that the engine will verify.
func fillSign(r *applet.Request, d *mssp.DeviceRequest) error {
	content, err := signum.SignedContent(d.MimeType, d.Text)
	if err != nil {
		return err
	}
	if r.Text, err = applet.EncodeText(content); err != nil {
		return err
	}
	shown, err := r.Text.Decode()
	if err != nil {
		return err
	}
	if r.SigningTime, r.CertHash, err = cms.AttributesOf(d.SignedAttrs); err != nil {
		return err
	}
	if !bytes.Equal(cms.RebuildAttributes([]byte(shown), r.SigningTime, r.CertHash), d.SignedAttrs) {
		return errors.New("the card would not sign the signed attributes")
	}
	return nil
}

func fillDisplay(r *applet.Request, d *mssp.DeviceRequest) (err error) {
	if d.MimeType != signum.MimeRSAMessage {
		r.Text, err = applet.EncodeText(d.Text)
		return err
	}
	if r.Sealed, err = base64.StdEncoding.DecodeString(d.Text); err != nil {
		return fmt.Errorf("encrypted receipt: %w", err)
	}
	return nil
}

// coding is the algorithm nibble of KIc and KID (TS 102 225, clauses 5.1.1.2 and
// 5.1.1.3).
func coding(algorithm string, key []byte) byte {
	switch {
	case algorithm == mssp.CardAES:
		return 0x2
	case len(key) == 16:
		return 0x5
	}
	return 0x9
}
