package storable

import (
	"fmt"
	"slices"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// Subscriber refuses an account that cannot be kept.
func Subscriber(sub *mssp.Subscriber) error {
	if err := Keys(F("MSISDN", sub.MSISDN), F("account serial", sub.Serial)); err != nil {
		return err
	}
	if err := SubscriberState(sub.State); err != nil {
		return err
	}
	for i, d := range sub.Devices {
		if err := Device(d); err != nil {
			return err
		}
		same := func(other mssp.Device) bool { return other.ID == d.ID }
		if slices.ContainsFunc(sub.Devices[:i], same) {
			return fmt.Errorf("store: device %s is listed twice", d.ID)
		}
	}
	return nil
}

// SubscriberState refuses an unknown state.
func SubscriberState(state mssp.SubscriberState) error {
	if state != mssp.SubscriberActive && state != mssp.SubscriberInactive {
		return fmt.Errorf("store: unknown state of a subscriber: %q", state)
	}
	return nil
}

// Device refuses a device that cannot be kept.
func Device(d mssp.Device) error {
	if err := Keys(F("device ID", d.ID)); err != nil {
		return err
	}
	if d.Certificate != nil {
		if err := Keys(F("certificate serial", d.Certificate.Serial)); err != nil {
			return err
		}
	}
	if err := Texts(F("mobile country code", d.Network.MCC), F("mobile network code", d.Network.MNC),
		F("name of a network", d.Network.Name), F("end of a device", string(d.Ended))); err != nil {
		return err
	}
	if d.Ended != "" && d.State != signum.DeviceInactive {
		return fmt.Errorf("store: device %s has ended (%s) and is %s", d.ID, d.Ended, d.State)
	}
	if mssp.MethodOf(d.Method).Method == "" {
		return fmt.Errorf("store: device %s has the unknown method %q", d.ID, d.Method)
	}
	switch d.State {
	case signum.DeviceActive, signum.DeviceInactive, signum.DeviceRegistered:
	default:
		return fmt.Errorf("store: device %s has the unknown state %q", d.ID, d.State)
	}
	switch d.KeyType {
	case "", signum.EC, signum.RSA:
	default:
		return fmt.Errorf("store: device %s has the unknown key type %q", d.ID, d.KeyType)
	}
	return nil
}
