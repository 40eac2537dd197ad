package storable

import (
	"fmt"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// App refuses what may change of an App and cannot be kept.
func App(a *mssp.AppDevice) error {
	if err := Hash("verifier hash of app "+a.DeviceID, a.VerifierHash); err != nil {
		return err
	}
	if err := Texts(F("name of an app", a.Name), F("version of an app", a.Version), F("platform of an app", a.Platform)); err != nil {
		return err
	}
	if a.Push != nil {
		if err := Texts(F("endpoint of a push", a.Push.Endpoint)); err != nil {
			return err
		}
	}
	if a.PushEnd != nil {
		if err := Texts(F("reason of the end of a push", string(a.PushEnd.Reason))); err != nil {
			return err
		}
	}
	return Verification(a.Unlocked)
}

// Verification refuses evidence that cannot be kept; nil is none.
func Verification(v *mssp.UserVerification) error {
	if v == nil {
		return nil
	}
	return Texts(F("MSSP_TransID of a verification", v.TransID), F("kind of a verification", string(v.Kind)))
}

// Invite refuses an invite that cannot be kept.
func Invite(i *mssp.Invite) error {
	if err := Hash("hash of an activation code", i.CodeHash); err != nil {
		return err
	}
	return Keys(F("MSISDN", i.MSISDN))
}

// Enrolment refuses an App and a device that do not belong together, or cannot be kept.
func Enrolment(e *mssp.Enrolment) error {
	a := e.App
	switch {
	case a.DeviceID != e.Device.ID:
		return fmt.Errorf("store: app %s is enrolled with device %s", a.DeviceID, e.Device.ID)
	case e.Device.Method != signum.App:
		return fmt.Errorf("store: app %s is enrolled with the method %q", a.DeviceID, e.Device.Method)
	case len(a.AuthKey) == 0 || len(a.Share) == 0:
		return fmt.Errorf("store: app %s is enrolled without a key or a share", a.DeviceID)
	}
	if len(e.RecoveryHash) > 0 {
		if err := Hash("hash of a recovery code", e.RecoveryHash); err != nil {
			return err
		}
	}
	if err := Device(e.Device); err != nil {
		return err
	}
	if err := Keys(F("MSISDN", a.MSISDN), F("account serial", e.Serial)); err != nil {
		return err
	}
	return App(a)
}

// Consent refuses a consent that contradicts itself or cannot be kept.
func Consent(c *mssp.Consent) error {
	switch {
	case !c.Kind.Known():
		return fmt.Errorf("store: unknown kind of a consent: %q", c.Kind)
	case c.Kind.AboutDevice() != (c.Subject != ""):
		return fmt.Errorf("store: a consent %s has the subject %q", c.Kind, c.Subject)
	case (c.DeviceID == "") != (c.TransID == ""):
		return fmt.Errorf("store: a consent has the device %q and the transaction %q", c.DeviceID, c.TransID)
	}
	return Keys(F("MSISDN", c.MSISDN), F("subject of a consent", c.Subject), F("device ID", c.DeviceID), F("transaction ID", c.TransID))
}

// Notice refuses a notice that cannot be kept.
func Notice(n *mssp.Notice) error {
	if !n.Kind.Known() || len(n.CodeHash) == 0 {
		return fmt.Errorf("store: a notice of the kind %q, with a hash of %d bytes", n.Kind, len(n.CodeHash))
	}
	return Keys(F("ID of a notice", n.ID), F("MSISDN", n.MSISDN), F("device ID", n.DeviceID), F("name", n.Name))
}
