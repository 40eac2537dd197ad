package storable

import (
	"fmt"
	"slices"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// TextMethod is what the column "method" holds for a one-time password, which
// has no method. Databases of earlier versions contain it, and the index that
// finds busy subscribers needs a value: a second password is refused while the
// first is on its way, but not because of anything else.
const TextMethod = "SMS"

// MethodColumn is what stands for the method of a transaction where the store looks for busy
// subscribers.
func MethodColumn(t *mssp.Transaction) string {
	if t.OTP() {
		return TextMethod
	}
	return string(t.Method)
}

// Transaction refuses a transaction that cannot be kept.
func Transaction(t *mssp.Transaction) error {
	if err := Keys(F("MSSP_TransID", t.ID), F("AP_ID", t.APID), F("AP_TransID", t.APTransID),
		F("MSISDN", t.MSISDN), F("method", MethodColumn(t)), F("owner", t.Owner)); err != nil {
		return err
	}
	if err := Texts(F("MSISDN as sent", t.MSISDNSent), F("device ID", t.DeviceID), F("profile", t.Profile),
		F("language", t.Lang), F("MIME type", t.MimeType), F("text", t.Text), F("certificate serial", t.CertSerial)); err != nil {
		return err
	}
	if t.OTP() != signum.IsOTP(t.Profile) {
		return fmt.Errorf("store: transaction %s has the method %q and the profile %q", t.ID, t.Method, t.Profile)
	}
	if t.State == mssp.StateOutstanding {
		if !t.Finished.IsZero() {
			return fmt.Errorf("store: transaction %s is outstanding and finished", t.ID)
		}
		return nil
	}
	if t.State != t.Outcome.FinalState() {
		return fmt.Errorf("store: transaction %s is %q, but its outcome is %v", t.ID, t.State, t.Outcome.Code)
	}
	if t.Finished.IsZero() {
		return fmt.Errorf("store: transaction %s has ended without a time", t.ID)
	}
	return Outcome(t.ID, t.Outcome)
}

// Outcome refuses the end of a transaction that contradicts itself.
func Outcome(id string, o mssp.Outcome) error {
	if o.Code == 0 {
		return fmt.Errorf("store: transaction %s ends without a code", id)
	}
	if (o.Code == signum.SignatureMade) != (len(o.Signature) > 0) {
		return fmt.Errorf("store: transaction %s ends with %v and a signature of %d bytes", id, o.Code, len(o.Signature))
	}
	if o.Replaced && o.Code != signum.UserCancel {
		return fmt.Errorf("store: transaction %s was replaced, but ends with %v", id, o.Code)
	}
	return Texts(F("detail", o.Detail))
}

// Receipt refuses a receipt that cannot be added.
func Receipt(r *mssp.Receipt) error {
	if r.Result != signum.ReceiptPending || !r.Finished.IsZero() {
		return fmt.Errorf("store: receipt of %s is not pending", r.TransID)
	}
	return Texts(F("device ID", r.DeviceID), F("method", string(r.Method)), F("MSISDN", r.MSISDN),
		F("language", r.Lang), F("MIME type", r.MimeType), F("text", r.Text))
}

// Result refuses what is not the end of a receipt.
func Result(result signum.ReceiptResult) error {
	switch result {
	case signum.ReceiptAccepted, signum.ReceiptCancelled, signum.ReceiptTimedOut, signum.ReceiptLost:
		return nil
	}
	return fmt.Errorf("store: unknown result of a receipt: %q", result)
}

// Services refuses options whose texts cannot be kept.
func Services(w *mssp.ServiceOptions) error {
	if err := Texts(F("subscriber info", w.Subscriber)); err != nil {
		return err
	}
	if a := w.App2App; a != nil {
		if err := Texts(F("session token", a.TokenHash), F("redirect URI", a.RedirectURI)); err != nil {
			return err
		}
	}
	if w.Fence != nil {
		return Fence(w.Fence)
	}
	return nil
}

// Location refuses a location whose country cannot be kept; nil is none.
func Location(l *mssp.Location) error {
	if l == nil {
		return nil
	}
	return Texts(F("country", l.Country))
}

// Fence refuses a geofence whose countries cannot be kept.
func Fence(g *mssp.Geofence) error {
	for _, country := range slices.Concat(g.CountryWhitelist, g.CountryBlacklist) {
		if err := Texts(F("a country of a geofence", country)); err != nil {
			return err
		}
	}
	return nil
}

// AskedOf reports whether an outstanding transaction of the device's subscriber and
// method is for the device to answer. If it was recorded for another App, AskedOf makes
// it one of this App. may says whether the device is active and not blocked, and its
// account not suspended.
func AskedOf(t *mssp.Transaction, deviceID string, may bool, now time.Time) bool {
	own := t.DeviceID == deviceID
	if !mssp.MethodOf(t.Method).Several {
		return own
	}
	c := t.Certificate
	if !may || c == nil || c.State != mssp.CertificateGood || !now.Before(c.NotAfter) {
		return false
	}
	if !own {
		t.DeviceID, t.CertSerial, t.SignedAttrs = deviceID, c.Serial, nil
	}
	return true
}
