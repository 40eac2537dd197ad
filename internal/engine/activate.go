package engine

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// activate takes the new key of a SIM: it certifies the key, makes the device
// active, prepares the signed attributes, and asks for the signature. Each step
// can be repeated: after a crash a phone that is asked again gives the same
// answer, and a key that has a certificate does not get another one.
func (e *Engine) activate(ctx context.Context, t *mssp.Transaction, a mssp.DeviceAnswer) error {
	key, kind, err := provenKey(a)
	if err == nil && kind != t.Services.ActivateKey {
		err = fmt.Errorf("the key is %s, %s was asked for", kind, t.Services.ActivateKey)
	}
	if err != nil {
		e.cfg.Logger.WarnContext(ctx, "new key refused", "trans_id", t.ID, "device", t.DeviceID, "err", err)
		return e.decide(ctx, t, mssp.Failed(signum.NewFault(signum.InvalidSignature)))
	}
	cert, err := e.certify(ctx, t, a, key)
	if err != nil {
		return fmt.Errorf("activating device %s: %w", t.DeviceID, err)
	}
	if err := e.cfg.Store.ActivateDevice(ctx, t.DeviceID, kind, cert.Serial); err != nil {
		return fmt.Errorf("activating device %s: %w", t.DeviceID, err)
	}
	if err := prepare(t, cert, e.now()); err != nil {
		return err
	}
	ok, err := e.cfg.Store.PrepareTransaction(ctx, t.ID, t.SignedAttrs, t.CertSerial)
	if err != nil {
		return fmt.Errorf("preparing transaction %s: %w", t.ID, err)
	}
	e.cfg.Logger.InfoContext(ctx, "SIM activated", "trans_id", t.ID, "msisdn", signum.MaskMSISDN(t.MSISDN), "device", t.DeviceID, "certificate", cert.Serial)
	if !ok {
		return nil // the transaction has ended meanwhile; the SIM stays active
	}
	e.dispatch(ctx, t)
	e.remind(ctx, t)
	return nil
}

// provenKey returns the public key in an answer if the device has proved that
// it holds the private key (proof of possession).
func provenKey(a mssp.DeviceAnswer) (crypto.PublicKey, signum.KeyType, error) {
	key, err := x509.ParsePKIXPublicKey(a.PublicKey)
	if err != nil {
		return nil, "", fmt.Errorf("public key: %w", err)
	}
	sum := sha256.Sum256(mssp.ActivationProof(a.TransID, a.PublicKey))
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() || !ecdsa.VerifyASN1(k, sum[:], a.Proof) {
			return nil, "", errors.New("no proof of possession by a P-256 key")
		}
		return k, signum.EC, nil
	case *rsa.PublicKey:
		if err := rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], a.Proof); err != nil {
			return nil, "", fmt.Errorf("proof of possession: %w", err)
		}
		return k, signum.RSA, nil
	}
	return nil, "", fmt.Errorf("a key of type %T", key)
}

// certify returns the device's certificate for the key: the existing one, if an
// earlier attempt got as far as issuing it, otherwise a new one.
func (e *Engine) certify(ctx context.Context, t *mssp.Transaction, a mssp.DeviceAnswer, key crypto.PublicKey) (*mssp.Certificate, error) {
	s, err := e.cfg.Store.Subscriber(ctx, t.MSISDN)
	if err != nil {
		return nil, err
	}
	known := false
	for _, d := range s.Devices {
		if d.ID != t.DeviceID {
			continue
		}
		known = true
		if c := d.Certificate; c != nil && c.State == mssp.CertificateGood && e.now().Before(c.NotAfter) {
			if cert, err := x509.ParseCertificate(c.DER); err == nil && bytes.Equal(cert.RawSubjectPublicKeyInfo, a.PublicKey) {
				return c, nil
			}
		}
	}
	if !known {
		return nil, fmt.Errorf("%s is not a device of the subscriber: %w", t.DeviceID, mssp.ErrNotFound)
	}
	if e.cfg.Issuer == nil {
		return nil, errors.New("no issuer")
	}
	return e.cfg.Issuer.Issue(ctx, s.Serial, t.DeviceID, key)
}

// reminders ask for a recovery code: without one, the next activation changes
// the serial number by which the user's parties know them. %s is the name of the
// service.
var reminders = map[string]string{
	"en": "%s is active on your SIM. Please create a recovery code in the self-care portal.",
	"de": "%s ist auf Ihrer SIM aktiv. Bitte erstellen Sie im Selfcare-Portal einen Wiederherstellungscode.",
	"fr": "%s est actif sur votre SIM. Veuillez créer un code de récupération dans le portail.",
	"it": "%s è attivo sulla vostra SIM. Vogliate creare un codice di recupero nel portale.",
}

func (e *Engine) remind(ctx context.Context, t *mssp.Transaction) {
	if e.cfg.Texts == nil {
		return
	}
	if err := e.cfg.Texts.SendText(ctx, mssp.TextMessage{MSISDN: t.MSISDN, Text: fmt.Sprintf(reminders[t.Lang], e.cfg.ServiceName)}); err != nil {
		e.cfg.Logger.WarnContext(ctx, "reminder not sent", "trans_id", t.ID, "err", err)
	}
}
