package app

import (
	"crypto/x509"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// renewBefore is how long before its expiry a certificate is renewed.
const renewBefore = 30 * 24 * time.Hour

type heartbeatRequest struct {
	Version  *string        `json:"version"`
	Platform *string        `json:"platform"`
	Name     *string        `json:"name"`
	Push     jsontext.Value `json:"push"` // absent: unchanged; null: none
}

type wirePush struct {
	Endpoint string `json:"endpoint"`
	P256DH   octets `json:"p256dh"`
	Auth     octets `json:"auth"`
}

type heartbeatAnswer struct {
	Now     int64 `json:"now"`
	Expires int64 `json:"certificate_expires"`
	Blocked bool  `json:"blocked"`
	// PushEnded says why the last push subscription no longer works.
	PushEnded *wirePushEnd `json:"push_ended,omitempty"`
}

type wirePushEnd struct {
	Reason mssp.PushEndReason `json:"reason"`
	At     int64              `json:"at"`
}

// apply updates the device with what the App reports. allow checks a push
// subscription.
func (h *heartbeatRequest) apply(a *mssp.AppDevice, allow func(wirePush) (*mssp.PushSubscription, error)) error {
	for _, m := range []struct {
		from *string
		to   *string
	}{{h.Version, &a.Version}, {h.Platform, &a.Platform}, {h.Name, &a.Name}} {
		if m.from == nil {
			continue
		}
		if !plain(*m.from, 64) {
			return malformed("version, platform and name may have at most 64 characters and no control characters.")
		}
		*m.to = *m.from
	}
	switch h.Push.Kind() {
	case 0:
	case jsontext.KindNull:
		a.Push, a.PushEnd = nil, nil
	default:
		var p wirePush
		if json.Unmarshal(h.Push, &p) != nil {
			return malformed("push must be a push subscription or null.")
		}
		sub, err := allow(p)
		if err != nil {
			return malformed("push: %v.", err)
		}
		subscribe(a, sub)
	}
	return nil
}

func (c *call) heartbeat() (any, error) {
	var in heartbeatRequest
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	var device mssp.AppDevice
	err := c.change(func(a *mssp.AppDevice) error {
		if err := in.apply(a, c.s.push.subscription); err != nil {
			return err
		}
		a.LastSeen = c.s.now()
		device = *a
		return nil
	})
	if err != nil {
		return nil, err
	}
	out, err := c.state(&device)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// state is the answer to a heartbeat. It renews the certificate if that is due.
func (c *call) state(a *mssp.AppDevice) (*heartbeatAnswer, error) {
	sub, d, err := c.s.deviceOf(c.r.Context(), a)
	if err != nil {
		return nil, c.orGone(err)
	}
	out := &heartbeatAnswer{Blocked: a.Blocked()}
	if e := a.PushEnd; e != nil {
		out.PushEnded = &wirePushEnd{Reason: e.Reason, At: e.At.UnixMilli()}
	}
	cert := d.Certificate
	if renewable(sub, d, out.Blocked, a.LastSeen) {
		if cert, err = c.renew(sub, d); err != nil {
			return nil, err
		}
	}
	if cert != nil {
		out.Expires = cert.NotAfter.UnixMilli()
	}
	out.Now = c.s.now().UnixMilli()
	return out, nil
}

// renewable reports whether the certificate is to be renewed now. A suspended
// account or a blocked App gets no new one.
func renewable(sub *mssp.Subscriber, d *mssp.Device, blocked bool, now time.Time) bool {
	return d.Certificate != nil && d.Certificate.State == mssp.CertificateGood && d.State == signum.DeviceActive &&
		sub.State == mssp.SubscriberActive && !blocked && !now.Before(d.Certificate.NotAfter.Add(-renewBefore))
}

// renew certifies the same key for the same serial number. If the account has
// been reset since, the App belongs to its former holder: it keeps the
// certificate that it has.
func (c *call) renew(sub *mssp.Subscriber, d *mssp.Device) (*mssp.Certificate, error) {
	old, err := x509.ParseCertificate(d.Certificate.DER)
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", d.Certificate.Serial, err)
	}
	if old.Subject.SerialNumber != sub.Serial {
		return d.Certificate, nil
	}
	ctx := c.r.Context()
	cert, err := c.s.cfg.CA.Issue(ctx, sub.Serial, d.ID, old.PublicKey)
	if err != nil {
		return nil, err
	}
	renewed := false
	defer func() { // covers panics too
		if !renewed {
			c.undo(cert)
		}
	}()
	if renewed, err = c.s.cfg.Store.RenewDevice(ctx, d.ID, d.Certificate.Serial, cert.Serial); err != nil {
		return nil, err
	}
	if !renewed {
		return c.current()
	}
	c.note = "certificate renewed"
	return cert, nil
}

// current is the certificate of the device after a renewal that came too late:
// another call, perhaps on another node, renewed it first, or the device was
// deactivated or removed.
func (c *call) current() (*mssp.Certificate, error) {
	_, d, err := c.s.deviceOf(c.r.Context(), c.device)
	if err != nil {
		return nil, c.orGone(err)
	}
	return d.Certificate, nil
}
