package app

import (
	"context"
	"errors"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

func (c *call) signature() (any, error) {
	_, in, err := c.s.engine()
	if err != nil {
		return nil, err
	}
	id := c.r.URL.Query().Get("id")
	c.trans = event.Clip(id)
	der, err := in.Signature(c.r.Context(), c.device.DeviceID, id)
	if errors.Is(err, mssp.ErrNotFound) {
		return nil, errUnknown
	} else if err != nil {
		return nil, err
	}
	return raw{mime: "application/pkcs7-signature", body: der}, nil
}

func (c *call) remove() (any, error) {
	err := c.s.removeDevice(c.r.Context(), c.device)
	if err == nil {
		c.notify(mssp.NoticeAppRemoved, c.device.MSISDN, c.device.DeviceID, c.device.Name, false)
	}
	return nil, c.orGone(err)
}

// Remove deletes an App and revokes its certificate. mssp.ErrNotFound if there
// is no such App.
func (s *Server) Remove(ctx context.Context, deviceID string) error {
	d, err := s.cfg.Store.App(ctx, deviceID)
	if err != nil {
		return err
	}
	return s.removeDevice(ctx, d)
}

// removeDevice ends the device before it reads its certificate, so that
// no renewal can issue another one afterwards. It revokes before it removes: if
// revoking fails, the App still exists and can repeat the call.
func (s *Server) removeDevice(ctx context.Context, a *mssp.AppDevice) error {
	const cessation = 5
	if err := s.cfg.Store.EndDevice(ctx, a.DeviceID, mssp.EndedByUser, s.now()); err != nil {
		return err
	}
	_, d, err := s.deviceOf(ctx, a)
	if err != nil {
		return err
	}
	if d.Certificate != nil {
		if err := s.cfg.CA.Revoke(ctx, d.Certificate.Serial, cessation); err != nil {
			return err
		}
	}
	if err := s.cfg.Store.RemoveApp(ctx, a.DeviceID); err != nil {
		return err
	}
	s.endSigning(ctx, a)
	s.forget(a.DeviceID)
	return nil
}

// forget closes the inbox of a removed device.
func (s *Server) forget(deviceID string) {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	mb := s.registry.mailboxes[deviceID]
	if mb == nil {
		return
	}
	if mb.conn != nil {
		mb.conn.close(closeRefused, errUnauthorised.Code)
	}
	s.registry.remove(deviceID)
}
