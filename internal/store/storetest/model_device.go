package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"pgregory.net/rapid"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// anyDevice draws a device, which may not exist.
func (m *model) anyDevice(rt *rapid.T) string {
	return fmt.Sprintf("%sdevice%d", m.prefix, rapid.IntRange(1, 4).Draw(rt, "device"))
}

func (m *model) owner(deviceID string) *mssp.Subscriber {
	for _, sub := range m.subscribers {
		for _, d := range sub.Devices {
			if d.ID == deviceID {
				return sub
			}
		}
	}
	return nil
}

func (m *model) activate(rt *rapid.T) {
	a := &mssp.Activation{DeviceID: m.anyDevice(rt), KeyType: signum.RSA, CertSerial: among(rt, "cert", m.certificates, m.draw(rt, "cert", 4)),
		Serial: rapid.SampledFrom([]string{"", "", "S3"}).Draw(rt, "serial"), At: m.seconds(rt, "now")}
	err := m.store.ActivateDevice(context.Background(), a)
	d, sub := m.device(a.DeviceID), m.owner(a.DeviceID)
	switch {
	case d == nil || m.certificates[a.CertSerial] == nil:
		agree(rt, "nothing to activate", true, errors.Is(err, mssp.ErrNotFound))
		return
	case d.State == signum.DeviceActive && d.Certificate != nil && d.Certificate.Serial == a.CertSerial:
		ok(rt, err)
		return
	case d.State != signum.DeviceRegistered:
		agree(rt, "not registered", true, errors.Is(err, mssp.ErrDeviceState))
		return
	case a.Serial == "" && m.known[sub.MSISDN]:
		c := m.counting(consentKey{sub.MSISDN, mssp.ConsentActivate, a.DeviceID}, a.At)
		if c == nil {
			agree(rt, "no consent", true, errors.Is(err, mssp.ErrConsent))
			return
		}
	}
	ok(rt, err)
	m.voidConsent(sub.MSISDN, a.DeviceID)
	d.State, d.KeyType, d.PINBlocked = signum.DeviceActive, signum.RSA, false
	d.Certificate = &mssp.Certificate{Serial: a.CertSerial}
	m.known[sub.MSISDN] = true
	if a.Serial != "" {
		sub.Serial = a.Serial
		m.endOthers(sub, a.DeviceID, mssp.EndedByActivation, a.At)
	}
}

// end ends a device, as the store does.
func end(d *mssp.Device, why mssp.DeviceEnd, at time.Time) {
	d.State = signum.DeviceInactive
	if d.Ended == "" {
		d.Ended, d.EndedAt = why, at
	}
}

// voidConsent deletes the consent to the activation of a device.
func (m *model) voidConsent(msisdn, deviceID string) {
	delete(m.consents, consentKey{msisdn, mssp.ConsentActivate, deviceID})
}

func (m *model) endOthers(sub *mssp.Subscriber, except string, why mssp.DeviceEnd, at time.Time) {
	for k := range m.consents {
		if k.msisdn == sub.MSISDN && k.kind == mssp.ConsentActivate {
			delete(m.consents, k)
		}
	}
	for i := range sub.Devices {
		if d := &sub.Devices[i]; d.ID != except {
			end(d, why, at)
		}
	}
}

func (m *model) endDevice(rt *rapid.T) {
	id, at := m.anyDevice(rt), m.seconds(rt, "at")
	why := rapid.SampledFrom([]mssp.DeviceEnd{mssp.EndedByUser, mssp.EndedByOperator}).Draw(rt, "why")
	err := m.store.EndDevice(context.Background(), id, why, at)
	d := m.device(id)
	if d == nil {
		agree(rt, "no device", true, errors.Is(err, mssp.ErrNotFound))
		return
	}
	ok(rt, err)
	end(d, why, at)
	m.voidConsent(m.owner(id).MSISDN, id)
}

func (m *model) reopenDevice(rt *rapid.T) {
	id := m.anyDevice(rt)
	err := m.store.ReopenDevice(context.Background(), id)
	d, c := m.device(id), m.cardIn(id)
	switch {
	case d == nil:
		agree(rt, "no device", true, errors.Is(err, mssp.ErrNotFound))
	case d.Method != signum.SIM || d.State == signum.DeviceActive:
		agree(rt, "not to be reopened", true, errors.Is(err, mssp.ErrDeviceState))
	case c != nil && c.State == mssp.CardBlocked:
		agree(rt, "blocked card", true, errors.Is(err, mssp.ErrCardState))
	default:
		ok(rt, err)
		if d.State == signum.DeviceInactive {
			d.State, d.Certificate, d.PINBlocked, d.Ended, d.EndedAt = signum.DeviceRegistered, nil, false, "", time.Time{}
		}
	}
}

// consentKey is what there is one consent of.
type consentKey struct {
	msisdn  string
	kind    mssp.ConsentKind
	subject string
}

func keyOf(c *mssp.Consent) consentKey { return consentKey{c.MSISDN, c.Kind, c.Subject} }

// counting returns the consent that counts at a time; nil if there is none.
func (m *model) counting(k consentKey, now time.Time) *mssp.Consent {
	c := m.consents[k]
	if c == nil || !c.Expires.After(now) {
		return nil
	}
	if c.DeviceID == "" {
		return c
	}
	d := m.device(c.DeviceID)
	if d == nil || d.State != signum.DeviceActive || d.Certificate == nil || m.owner(d.ID).MSISDN != c.MSISDN ||
		m.certificates[d.Certificate.Serial].State != mssp.CertificateGood {
		return nil
	}
	return c
}

func (m *model) drawConsent(rt *rapid.T) consentKey {
	k := consentKey{msisdn: among(rt, "msisdn", m.subscribers, m.draw(rt, "msisdn", 3)), kind: mssp.ConsentAddApp}
	if rapid.IntRange(0, 3).Draw(rt, "kind") > 0 {
		k.kind, k.subject = mssp.ConsentActivate, m.anyDevice(rt)
	}
	return k
}

func (m *model) giveConsent(rt *rapid.T) {
	k := m.drawConsent(rt)
	c := &mssp.Consent{MSISDN: k.msisdn, Kind: k.kind, Subject: k.subject, Given: start.Add(-time.Hour), Expires: m.seconds(rt, "expires")}
	if rapid.Bool().Draw(rt, "signed") {
		c.DeviceID, c.TransID = m.anyDevice(rt), "t"
	}
	ok(rt, m.store.PutConsent(context.Background(), c))
	m.consents[k] = c
}

func (m *model) takeConsent(rt *rapid.T) {
	k, now, ctx := m.drawConsent(rt), m.seconds(rt, "now"), context.Background()
	want := m.counting(k, now)
	for _, take := range []func(context.Context, string, mssp.ConsentKind, string, time.Time) (*mssp.Consent, error){
		m.store.Consent, m.store.TakeConsent,
	} {
		got, err := take(ctx, k.msisdn, k.kind, k.subject, now)
		if want == nil {
			agree(rt, "no consent", true, errors.Is(err, mssp.ErrNotFound))
			continue
		}
		ok(rt, err)
		agree(rt, "consent", want, got)
	}
	if want != nil {
		delete(m.consents, k)
	}
}

func (m *model) voidChanges(rt *rapid.T) {
	msisdn := m.draw(rt, "msisdn", 3)
	ok(rt, m.store.VoidChanges(context.Background(), msisdn))
	delete(m.invites, msisdn)
	maps.DeleteFunc(m.consents, func(k consentKey, _ *mssp.Consent) bool { return k.msisdn == msisdn })
}

// moveConsents moves the consents of an account to its new number.
func (m *model) moveConsents(from, to string) {
	for k := range m.consents {
		if k.msisdn == to {
			delete(m.consents, k)
		}
	}
	for k, c := range m.consents {
		if k.msisdn == from {
			delete(m.consents, k)
			c.MSISDN = to
			m.consents[keyOf(c)] = c
		}
	}
}

// checkSerials compares which serials are known.
func (m *model) checkSerials(rt *rapid.T) {
	for msisdn := range m.subscribers {
		got, err := m.store.SerialKnown(context.Background(), msisdn)
		ok(rt, err)
		agree(rt, "serial known", m.known[msisdn], got)
	}
}
