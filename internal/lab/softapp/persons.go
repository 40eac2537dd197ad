package softapp

import (
	"fmt"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
)

// Behave sets what a subscriber does with requests that arrive at their Apps from
// now on. person.ErrUnknown if they have no App.
func (s *Apps) Behave(msisdn string, b person.Behaviour) error {
	if err := b.Check(); err != nil {
		return err
	}
	theirs, err := s.of(msisdn)
	if err != nil {
		return err
	}
	if err := theirs[0].person.Behave(b); err != nil {
		return err
	}
	for _, p := range theirs {
		p.changed()
	}
	return nil
}

// Place sets where a subscriber is from now on. person.ErrUnknown if they
// have no App.
func (s *Apps) Place(msisdn string, at person.Place) error {
	theirs, err := s.of(msisdn)
	if err != nil {
		return err
	}
	if err := theirs[0].person.MoveTo(at); err != nil {
		return fmt.Errorf("place of %s: %w", signum.MaskMSISDN(msisdn), err)
	}
	return nil
}

// of returns the Apps of a subscriber, all held by one person.
func (s *Apps) of(msisdn string) ([]*app, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var theirs []*app
	for _, p := range s.apps {
		if p.record.MSISDN == msisdn {
			theirs = append(theirs, p)
		}
	}
	if len(theirs) == 0 {
		return nil, fmt.Errorf("%s: %w", signum.MaskMSISDN(msisdn), person.ErrUnknown)
	}
	return theirs, nil
}

// Choose sets how the person at an App chooses a verification code. See
// Device.Choose.
func (s *Apps) Choose(deviceID string, f func(choices []string) string) error {
	d, err := s.Device(deviceID)
	if err != nil {
		return err
	}
	d.Choose(f)
	return nil
}

// EnterPIN enters a passcode by hand, for a person whose behaviour is Silent. See
// Device.EnterPIN; the answer is sent to the service.
func (s *Apps) EnterPIN(deviceID, transID, pin string) error {
	return s.byHand(deviceID, func(d *Device) (mssp.DeviceAnswer, error) { return d.EnterPIN(transID, pin) })
}

// Acknowledge presses OK on a receipt by hand. See Device.Acknowledge.
func (s *Apps) Acknowledge(deviceID, transID string) error {
	return s.byHand(deviceID, func(d *Device) (mssp.DeviceAnswer, error) { return d.Acknowledge(transID) })
}

// TimeOut times out a receipt by hand. See Device.TimeOut.
func (s *Apps) TimeOut(deviceID, transID string) error {
	return s.byHand(deviceID, func(d *Device) (mssp.DeviceAnswer, error) { return d.TimeOut(transID) })
}

// Decline declines any request by hand. See Device.Cancel.
func (s *Apps) Decline(deviceID, transID string) error {
	return s.byHand(deviceID, func(d *Device) (mssp.DeviceAnswer, error) { return d.Cancel(transID) })
}

// Report declines a signature request by hand, as one that somebody else made. See
// Device.Report.
func (s *Apps) Report(deviceID, transID string) error {
	return s.byHand(deviceID, func(d *Device) (mssp.DeviceAnswer, error) { return d.Report(transID) })
}

func (s *Apps) byHand(deviceID string, f func(*Device) (mssp.DeviceAnswer, error)) error {
	p, err := s.find(deviceID)
	if err != nil {
		return err
	}
	a, err := f(p.device)
	if err != nil {
		return err
	}
	p.reply(a)
	return nil
}
