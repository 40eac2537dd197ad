package app

import (
	"crypto/ecdh"
	"errors"
	"strings"

	webpush "github.com/SherClockHolmes/webpush-go"
)

// VAPID identifies the service to push services (RFC 8292).
type VAPID struct {
	Contact         string // of the operator, mailto: or https:; empty: no App is woken
	Public, Private string // P-256, Base64url: the uncompressed point; the scalar
}

// NewVAPID generates the keys.
func NewVAPID(contact string) (v VAPID, err error) {
	v.Contact = contact
	v.Private, v.Public, err = webpush.GenerateVAPIDKeys()
	return v, err
}

func (v VAPID) check() error {
	if v.Contact != "" && !strings.HasPrefix(v.Contact, "mailto:") && !strings.HasPrefix(v.Contact, "https:") {
		return errors.New("app: the contact for push services must be a mailto or https address")
	}
	private, err := unb64u(v.Private)
	if err != nil {
		return errors.New("app: the private VAPID key is not Base64url")
	}
	k, err := ecdh.P256().NewPrivateKey(private)
	if err != nil || b64u(k.PublicKey().Bytes()) != v.Public {
		return errors.New("app: the VAPID keys are not a pair of P-256 keys")
	}
	return nil
}

// subscriber is the contact as the library takes it, which puts mailto: before
// everything but an https address.
func (v VAPID) subscriber() string { return strings.TrimPrefix(v.Contact, "mailto:") }
