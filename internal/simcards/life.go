package simcards

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// keepFor is how long the operator's word counts that an account keeps its serial
// number for a SIM: as long as a card may be in the mail and then in a drawer.
const keepFor = 90 * 24 * time.Hour

// allow lets the account keep its serial number when this SIM is activated.
func (p *Provisioner) allow(ctx context.Context, msisdn, deviceID string) error {
	now := p.cfg.Clock.Now()
	return p.cfg.Store.PutConsent(ctx, &mssp.Consent{MSISDN: msisdn, Kind: mssp.ConsentActivate, Subject: deviceID,
		Given: now, Expires: now.Add(keepFor)})
}

// End ends the SIM of a subscriber: it revokes the certificate (cessationOfOperation)
// and makes the SIM inactive. No request activates it again until Reopen. Ending a
// second time changes nothing.
func (p *Provisioner) End(ctx context.Context, msisdn string) error {
	return p.onSIM(ctx, msisdn, func(msisdn string, d *mssp.Device) error {
		if c := d.Certificate; c != nil && c.State == mssp.CertificateGood {
			if err := p.cfg.Revoke(ctx, c.Serial, cessationOfOperation); err != nil {
				return fmt.Errorf("simcards: certificate %s of the SIM: %w", c.Serial, err)
			}
		}
		ended := d.Ended != ""
		err := p.cfg.Store.EndDevice(ctx, d.ID, mssp.EndedByOperator, p.cfg.Clock.Now())
		if err == nil && !ended {
			p.tell(ctx, mssp.NoticeSIMEnded, "SIM ended", msisdn, d.ID)
		}
		if err == nil && p.cfg.Recheck != nil {
			err = p.cfg.Recheck(ctx, msisdn)
		}
		return err
	})
}

// Reopen makes a SIM that has ended registered again, so that the next request of a
// party with auto activation activates it: its user then chooses a PIN. With
// keepSerial the account keeps its serial number for it. The operator must know that
// the card is in the hands of its owner.
func (p *Provisioner) Reopen(ctx context.Context, msisdn string, keepSerial bool) error {
	return p.onSIM(ctx, msisdn, func(msisdn string, d *mssp.Device) error {
		err := p.cfg.Store.ReopenDevice(ctx, d.ID)
		switch {
		case errors.Is(err, mssp.ErrDeviceState):
			return refusef(err, "the SIM of %s is active", signum.MaskMSISDN(msisdn))
		case errors.Is(err, mssp.ErrCardState):
			return refusef(err, "the card of %s is blocked: unblock it first", signum.MaskMSISDN(msisdn))
		case err == nil && keepSerial:
			err = p.allow(ctx, msisdn, d.ID)
		}
		if err == nil {
			p.tell(ctx, mssp.NoticeSIMWaiting, "SIM reopened", msisdn, d.ID)
		}
		return err
	})
}

// tell says what happened to a SIM, to the log and to its user.
func (p *Provisioner) tell(ctx context.Context, k mssp.NoticeKind, what, msisdn, deviceID string) {
	p.cfg.Logger.InfoContext(ctx, what, "msisdn", signum.MaskMSISDN(msisdn), "device", deviceID)
	if p.cfg.Notifier != nil {
		p.cfg.Notifier.Notify(ctx, mssp.Change{MSISDN: msisdn, Kind: k, DeviceID: deviceID})
	}
}

// onSIM does something with the SIM of a subscriber.
func (p *Provisioner) onSIM(ctx context.Context, msisdn string, do func(msisdn string, d *mssp.Device) error) error {
	msisdn, err := p.msisdn(msisdn)
	if err != nil {
		return err
	}
	unlock, err := p.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	sub, err := p.account(ctx, msisdn)
	if err != nil {
		return err
	}
	if sub != nil {
		for i := range sub.Devices {
			if d := &sub.Devices[i]; mssp.MethodOf(d.Method).Card {
				return do(msisdn, d)
			}
		}
	}
	return refusef(mssp.ErrNotFound, "%s has no SIM", signum.MaskMSISDN(msisdn))
}
