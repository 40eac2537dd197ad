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
	return raw{"application/pkcs7-signature", der}, nil
}

func (c *call) remove() (any, error) {
	return nil, c.orGone(c.s.removeDevice(c.r.Context(), c.device))
}

// Remove deletes an App and revokes its certificate. ErrNotFound if there is no
// such App.
func (s *Server) Remove(ctx context.Context, deviceID string) error {
	d, err := s.cfg.Store.App(ctx, deviceID)
	if err != nil {
		return err
	}
	return s.removeDevice(ctx, d)
}

// removeDevice switches the device off before it reads its certificate, so that
// no renewal gives it another one after. It revokes before it removes: if that
// fails, the App is still there to ask again.
func (s *Server) removeDevice(ctx context.Context, a *mssp.AppDevice) error {
	const cessation = 5
	if err := s.cfg.Store.DeactivateDevice(ctx, a.DeviceID); err != nil {
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
	s.forget(a.DeviceID)
	return nil
}

// forget closes the inbox of a device that is no more.
func (s *Server) forget(deviceID string) {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	box := s.registry.mailboxes[deviceID]
	if box == nil {
		return
	}
	if box.conn != nil {
		box.conn.close(closeRefused, errUnauthorised.Code)
	}
	delete(s.registry.mailboxes, deviceID)
}
