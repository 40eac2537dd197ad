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
	"slices"

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
	cert, err := e.certify(ctx, t, a, key, kind)
	if errors.Is(err, mssp.ErrDeviceState) {
		// The SIM has ended since it was asked: it counts as absent.
		e.cfg.Logger.WarnContext(ctx, "new key refused", "trans_id", t.ID, "device", t.DeviceID, "err", err)
		return e.decide(ctx, t, mssp.Failed(signum.NewFault(signum.UnknownClient)))
	}
	if err != nil {
		return fmt.Errorf("activating device %s: %w", t.DeviceID, err)
	}
	if err := prepare(t, cert, e.now()); err != nil {
		return err
	}
	ok, err := e.cfg.Store.PrepareTransaction(ctx, t.ID, t.SignedAttrs, t.CertSerial)
	if err != nil {
		return fmt.Errorf("preparing transaction %s: %w", t.ID, err)
	}
	if !ok {
		return nil // the transaction has ended meanwhile; the SIM stays active
	}
	e.dispatch(ctx, t, nil)
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

// certify returns the certificate of the device for the key, and makes the device
// active with it. If an earlier attempt got as far as that, nothing changes.
func (e *Engine) certify(ctx context.Context, t *mssp.Transaction, a mssp.DeviceAnswer, key crypto.PublicKey, kind signum.KeyType) (*mssp.Certificate, error) {
	s, err := e.cfg.Store.Subscriber(ctx, t.MSISDN)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(s.Devices, func(d mssp.Device) bool { return d.ID == t.DeviceID })
	switch {
	case i < 0:
		return nil, fmt.Errorf("%s is not a device of the subscriber: %w", t.DeviceID, mssp.ErrNotFound)
	case e.isActive(&s.Devices[i], a.PublicKey):
		e.revokeEnded(ctx, s) // an earlier attempt may not have got as far as this
		return s.Devices[i].Certificate, nil
	case s.Devices[i].State != signum.DeviceRegistered:
		return nil, fmt.Errorf("device %s is %s: %w", t.DeviceID, s.Devices[i].State, mssp.ErrDeviceState)
	case e.cfg.Issuer == nil:
		return nil, errors.New("no issuer")
	}
	keep, err := e.keepsSerial(ctx, t)
	if err != nil {
		return nil, err
	}
	if keep {
		cert, err := e.issue(ctx, t, s.Serial, key, &mssp.Activation{DeviceID: t.DeviceID, KeyType: kind})
		if !errors.Is(err, mssp.ErrConsent) { // else the consent was withdrawn or used meanwhile
			return cert, err
		}
	}
	next := e.cfg.NewSerial()
	cert, err := e.issue(ctx, t, next, key, &mssp.Activation{DeviceID: t.DeviceID, KeyType: kind, Serial: next})
	if err != nil {
		return nil, err
	}
	if s, err = e.cfg.Store.Subscriber(ctx, t.MSISDN); err != nil {
		return nil, err
	}
	e.revokeEnded(ctx, s)
	if err := e.Recheck(ctx, t.MSISDN); err != nil { // what waits for them expires then
		e.cfg.Logger.ErrorContext(ctx, "requests of ended devices not ended", "err", err)
	}
	return cert, nil
}

// isActive reports whether the device is active with this key.
func (e *Engine) isActive(d *mssp.Device, key []byte) bool {
	c := d.Certificate
	if d.State != signum.DeviceActive || c == nil || c.State != mssp.CertificateGood || !e.now().Before(c.NotAfter) {
		return false
	}
	cert, err := x509.ParseCertificate(c.DER)
	return err == nil && bytes.Equal(cert.RawSubjectPublicKeyInfo, key)
}

// keepsSerial decides whether the account keeps its serial number, by which parties
// know the user, when the SIM of the transaction is activated. That another method
// exists is not enough: somebody may have got the SIM, and the number, by fraud.
func (e *Engine) keepsSerial(ctx context.Context, t *mssp.Transaction) (bool, error) {
	known, err := e.cfg.Store.SerialKnown(ctx, t.MSISDN)
	if err != nil || !known {
		return true, err
	}
	_, err = e.cfg.Store.Consent(ctx, t.MSISDN, mssp.ConsentActivate, t.DeviceID, e.now())
	if errors.Is(err, mssp.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// issue certifies the key for the account with this serial and activates the device. A
// certificate that is given to no device is revoked.
func (e *Engine) issue(ctx context.Context, t *mssp.Transaction, serial string, key crypto.PublicKey, a *mssp.Activation) (*mssp.Certificate, error) {
	const cessation = 5
	cert, err := e.cfg.Issuer.Issue(ctx, serial, a.DeviceID, key)
	if err != nil {
		return nil, err
	}
	a.CertSerial, a.At = cert.Serial, e.now()
	err = e.cfg.Store.ActivateDevice(ctx, a)
	if err == nil {
		e.activated(ctx, t, a)
		return cert, nil
	}
	if errors.Is(err, mssp.ErrConsent) || errors.Is(err, mssp.ErrDeviceState) {
		if err := e.cfg.Issuer.Revoke(ctx, cert.Serial, cessation); err != nil {
			e.cfg.Logger.ErrorContext(ctx, "unused certificate not revoked", "serial", cert.Serial, "err", err)
		}
	}
	return nil, err
}

// activated says that a SIM is active, to the log and to its user.
func (e *Engine) activated(ctx context.Context, t *mssp.Transaction, a *mssp.Activation) {
	e.cfg.Logger.InfoContext(ctx, "SIM activated", "trans_id", t.ID, "msisdn", signum.MaskMSISDN(t.MSISDN), "device", a.DeviceID,
		"certificate", a.CertSerial, "new_serial", a.Serial != "")
	if e.cfg.Notifier != nil {
		e.cfg.Notifier.Notify(ctx, mssp.Change{MSISDN: t.MSISDN, Kind: mssp.NoticeSIMActivated, DeviceID: a.DeviceID, Lang: t.Lang})
	}
}

// revokeEnded revokes the certificates of the devices that ended with the old serial
// number of the account. The activation stands even if this fails.
func (e *Engine) revokeEnded(ctx context.Context, s *mssp.Subscriber) {
	if e.cfg.Issuer == nil {
		return
	}
	if err := mssp.RevokeEnded(ctx, e.cfg.Issuer, s.Devices); err != nil {
		e.cfg.Logger.ErrorContext(ctx, "certificates with the old serial number not revoked", "err", err)
	}
}

// reminders ask for a recovery code: a user who loses the only method and has none gets
// another serial number, by which the user's parties do not know them. %s is the name of
// the service.
var reminders = map[string]string{
	"en": "%s is active on your SIM. Please log in to your account and create a recovery code.",
	"de": "%s ist auf Ihrer SIM aktiv. Bitte melden Sie sich bei Ihrem Konto an und erstellen Sie einen Wiederherstellungscode.",
	"fr": "%s est actif sur votre SIM. Veuillez vous connecter à votre compte et créer un code de récupération.",
	"it": "%s è attivo sulla vostra SIM. Vogliate accedere al vostro conto e creare un codice di recupero.",
}

// remind sends the reminder, unless the account has a recovery code.
func (e *Engine) remind(ctx context.Context, t *mssp.Transaction) {
	if e.cfg.Texts == nil {
		return
	}
	s, err := e.cfg.Store.Subscriber(ctx, t.MSISDN)
	if err != nil {
		e.cfg.Logger.WarnContext(ctx, "reminder not sent", "trans_id", t.ID, "err", err)
		return
	}
	if s.RecoveryCodeCreated {
		return
	}
	if err := e.cfg.Texts.SendText(ctx, mssp.TextMessage{MSISDN: t.MSISDN, Text: fmt.Sprintf(reminders[t.Lang], e.cfg.ServiceName)}); err != nil {
		e.cfg.Logger.WarnContext(ctx, "reminder not sent", "trans_id", t.ID, "err", err)
	}
}
