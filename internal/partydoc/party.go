package partydoc

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/signum-mssp/signum/internal/lang"
	"github.com/signum-mssp/signum/internal/visible"
)

// Party is an application provider. A nil member has the value that a party gets when
// only its AP_ID is given: in a sandbox every right, otherwise none (see Rights).
type Party struct {
	APID string `json:"ap_id" yaml:"ap_id"`
	Name string `json:"name,omitempty" yaml:"name,omitempty"` // as users see it; empty: they see the AP_ID
	// Password is AP_PWD. The service stores only its hash, so it is never read back.
	Password *string `json:"password,omitempty" yaml:"password,omitempty"`
	// PasswordHash is what an export has in place of the password.
	PasswordHash       string `json:"password_hash,omitempty" yaml:"password_hash,omitempty"`
	Prefix             string `json:"dtbd_prefix,omitempty" yaml:"dtbd_prefix,omitempty"`                 // must start every text
	UnprefixedReceipts bool   `json:"unprefixed_receipts,omitempty" yaml:"unprefixed_receipts,omitempty"` // it need not start those of receipts
	SubjectNameBase64  bool   `json:"subject_name_base64,omitempty" yaml:"subject_name_base64,omitempty"` // X509SubjectName of profile answers is in Base64
	DefaultLang        string `json:"default_lang,omitempty" yaml:"default_lang,omitempty"`               // of requests without a language; empty: they need one

	Profiles     []string `json:"profiles,omitzero" yaml:"profiles,omitempty"`          // that it may ask for besides AuthProfile1
	AuthProfile1 string   `json:"auth_profile,omitempty" yaml:"auth_profile,omitempty"` // for which AuthProfile1 stands; empty: STK-LoA4
	Services     []string `json:"services,omitzero" yaml:"services,omitempty"`          // additional services that it may ask for besides userLang

	AutoActivation    *bool     `json:"auto_activation,omitempty" yaml:"auto_activation,omitempty"`       // a request to a SIM that is not active activates it
	TestNumbers       *bool     `json:"test_numbers,omitempty" yaml:"test_numbers,omitempty"`             // it may use the test numbers
	EncryptedReceipts *bool     `json:"encrypted_receipts,omitempty" yaml:"encrypted_receipts,omitempty"` // it may send receipts that only the SIM can read
	Geofence          *Geofence `json:"geofence,omitempty" yaml:"geofence,omitempty"`                     // nil: disabled
	Limits            *Limits   `json:"limits,omitempty" yaml:"limits,omitempty"`                         // in place of the service's

	// Certificates are client certificates of its own, in PEM. In a scenario file an entry
	// may also be the name of a file.
	Certificates []string `json:"certificates,omitempty" yaml:"certificates,omitempty"`
	// Pins are the SHA-256 of further certificates (DER) of its own, in hex.
	Pins []string `json:"pins,omitempty" yaml:"pins,omitempty"`
	// SharedCertificates: in a sandbox, the certificates of the directory (ap.crt, ap-rsa.crt) identify the
	// party, too; nil: true.
	SharedCertificates *bool `json:"shared_certificates,omitempty" yaml:"shared_certificates,omitempty"`
}

// Geofence is the policy that is kept with a party.
type Geofence struct {
	Enabled               bool     `json:"enabled" yaml:"enabled"`
	Verbose               bool     `json:"verbose,omitempty" yaml:"verbose,omitempty"` // the fault says which rule was broken
	CountryWhitelist      []string `json:"country_whitelist,omitempty" yaml:"country_whitelist,omitempty,flow"`
	CountryBlacklist      []string `json:"country_blacklist,omitempty" yaml:"country_blacklist,omitempty,flow"`
	MinDeviceConfidence   float64  `json:"min_device_confidence,omitempty" yaml:"min_device_confidence,omitempty"`
	MinLocationConfidence float64  `json:"min_location_confidence,omitempty" yaml:"min_location_confidence,omitempty"`
	MaxTimestampMinutes   *int     `json:"max_timestamp_minutes,omitempty" yaml:"max_timestamp_minutes,omitempty"`
	MaxAccuracyMeters     *int     `json:"max_accuracy_meters,omitempty" yaml:"max_accuracy_meters,omitempty"`
}

// Limits bound what the party may do; see mssp.PartyLimits. A zero value stands for
// that of the service.
type Limits struct {
	MaxOpen     int            `json:"max_open,omitempty" yaml:"max_open,omitempty"`
	Requests    Rate           `json:"requests,omitzero" yaml:"requests,omitempty"`
	Statuses    Rate           `json:"statuses,omitzero" yaml:"statuses,omitempty"`
	Profiles    Rate           `json:"profiles,omitzero" yaml:"profiles,omitempty"`
	Unknown     Rate           `json:"unknown,omitzero" yaml:"unknown,omitempty"`
	PerNumber   Rate           `json:"per_number,omitzero" yaml:"per_number,omitempty"`
	OTP         Rate           `json:"otp,omitzero" yaml:"otp,omitempty"`
	OTPNumber   Rate           `json:"otp_number,omitzero" yaml:"otp_number,omitempty"`
	OTPPrefixes []string       `json:"otp_prefixes,omitempty" yaml:"otp_prefixes,omitempty,flow"`
	Networks    []netip.Prefix `json:"networks,omitempty" yaml:"networks,omitempty,flow"`
}

// Rate is how often something may happen: Burst times at once, then PerMinute.
type Rate struct {
	PerMinute int `json:"per_minute" yaml:"per_minute"`
	Burst     int `json:"burst" yaml:"burst"`
}

// Check returns an error if a value of the party is wrong, and writes the values in the form in
// which they are stored. It does not look at certificates.
func (p *Party) Check() error {
	if p.APID == "" || strings.ContainsFunc(p.APID, func(r rune) bool { return r <= ' ' || r >= 0x7f }) || !strings.Contains(p.APID, ":") {
		return fmt.Errorf("%q: the AP_ID must be a URI such as mid://example.com", p.APID)
	}
	if err := p.check(); err != nil {
		return fmt.Errorf("%s: %w", p.APID, err)
	}
	return nil
}

func (p *Party) check() error {
	if err := visible.Check(p.Prefix); err != nil {
		return fmt.Errorf("dtbd_prefix has %w", err)
	}
	if p.DefaultLang != "" {
		code, ok := lang.Parse(p.DefaultLang)
		if !ok {
			return fmt.Errorf("default_lang %q: not one of %s", p.DefaultLang, strings.Join(lang.All, ", "))
		}
		p.DefaultLang = code
	}
	if p.Password != nil && p.PasswordHash != "" {
		return errors.New("password and password_hash exclude each other")
	}
	if err := checkName(p.Name); err != nil {
		return err
	}
	return p.checkRights()
}
