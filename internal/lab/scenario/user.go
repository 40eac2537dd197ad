package scenario

import (
	"fmt"
	"slices"
	"strings"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/policy"
)

// User is a mobile user, or with a pattern as its number all users that it makes.
type User struct {
	// MSISDN is a number such as +41791234567, or the beginning of numbers with an
	// asterisk, such as +4179001*: a number of the pattern gets its user when a party
	// first asks for it.
	MSISDN string `json:"msisdn" yaml:"msisdn"`
	// Methods are those with which the user signs. Nil means SIM and App; an empty list
	// means an account that cannot sign.
	Methods   []signum.Method `json:"methods,omitzero" yaml:"methods,omitempty,flow"`
	KeyType   signum.KeyType  `json:"key_type,omitempty" yaml:"key_type,omitempty"` // of the SIM; empty: EC. An App always has EC
	State     State           `json:"state,omitempty" yaml:"state,omitempty"`       // empty: ACTIVE
	Network   string          `json:"network,omitempty" yaml:"network,omitempty"`   // MCC and MNC of the SIM, such as 22801; empty: the home network
	Location  string          `json:"location,omitempty" yaml:"location,omitempty"` // see person.ParsePlace; empty: CH
	Behaviour string          `json:"behaviour,omitempty" yaml:"behaviour,omitempty"`
}

// State is the state of a user's account and of all its phones.
type State string

// The states, with the answer to a request for a signature.
const (
	Active             State = "ACTIVE"              // 500
	NoAccount          State = "NO_ACCOUNT"          // 105
	Registered         State = "REGISTERED"          // a SIM that is not activated: 404, or activated by the request
	Inactive           State = "INACTIVE"            // switched off: the phone counts as absent
	NoKey              State = "NO_KEY"              // an active phone without a key: 404, and no request activates it
	PINBlocked         State = "PIN_BLOCKED"         // 402
	CertificateExpired State = "CERTIFICATE_EXPIRED" // 422
	CertificateRevoked State = "CERTIFICATE_REVOKED" // 501
	Suspended          State = "SUSPENDED"           // 403
)

// States returns all states.
func States() []State {
	return []State{Active, NoAccount, Registered, Inactive, NoKey, PINBlocked, CertificateExpired, CertificateRevoked, Suspended}
}

// ParseState accepts the names of states in any case, with hyphens or underscores:
// pin-blocked is PIN_BLOCKED.
func ParseState(s string) (State, error) {
	state := State(strings.ToUpper(strings.ReplaceAll(s, "-", "_")))
	if slices.Contains(States(), state) {
		return state, nil
	}
	names := make([]string, len(States()))
	for i, known := range States() {
		names[i] = known.Flag()
	}
	return "", fmt.Errorf("state %q: not one of %s", s, strings.Join(names, ", "))
}

// Flag returns the form of the command line, such as pin-blocked.
func (s State) Flag() string { return strings.ToLower(strings.ReplaceAll(string(s), "_", "-")) }

// patternMark ends a pattern.
const patternMark = "*"

// minPattern is how many digits a pattern must have: with fewer it would make users in
// whole countries.
const minPattern = 3

// IsPattern reports whether the number is a pattern.
func (u *User) IsPattern() bool { return strings.HasSuffix(u.MSISDN, patternMark) }

// Matches reports whether the pattern covers a number in E.164.
func (u *User) Matches(msisdn string) bool {
	return u.IsPattern() && strings.HasPrefix(msisdn, strings.TrimSuffix(u.MSISDN, patternMark))
}

// Check returns an error if a value of the user is wrong, and writes the values in the form in
// which they are stored.
func (u *User) Check() (err error) {
	if u.MSISDN, err = parseNumber(u.MSISDN); err != nil {
		return err
	}
	for i, m := range u.Methods {
		if slices.Contains(u.Methods[:i], m) {
			return fmt.Errorf("%s: method %s appears twice", u.MSISDN, m)
		}
		if m != signum.SIM && m != signum.App {
			return fmt.Errorf("%s: method %q: not one of %s, %s", u.MSISDN, m, signum.SIM, signum.App)
		}
	}
	if u.KeyType != "" && u.KeyType != signum.EC && u.KeyType != signum.RSA {
		return fmt.Errorf("%s: key_type %q: not one of %s, %s", u.MSISDN, u.KeyType, signum.EC, signum.RSA)
	}
	if u.State != "" {
		if u.State, err = ParseState(string(u.State)); err != nil {
			return fmt.Errorf("%s: %w", u.MSISDN, err)
		}
	}
	if n := len(u.Network); n > 0 && (n < 5 || n > 6 || strings.Trim(u.Network, "0123456789") != "") {
		return fmt.Errorf("%s: network %q: must be the MCC and MNC, five or six digits such as 22801", u.MSISDN, u.Network)
	}
	if u.Location != "" {
		if _, err := person.ParsePlace(u.Location); err != nil {
			return fmt.Errorf("%s: location %q: %w", u.MSISDN, u.Location, err)
		}
	}
	if u.Behaviour != "" {
		if _, err := person.ParseBehaviour(u.Behaviour); err != nil {
			return fmt.Errorf("%s: %w", u.MSISDN, err)
		}
	}
	return nil
}

// parseNumber returns a number or a pattern as it is stored.
func parseNumber(s string) (string, error) {
	if digits, ok := strings.CutSuffix(s, patternMark); ok {
		digits = "+" + strings.TrimPrefix(digits, "+")
		if len(digits) < 1+minPattern || strings.Trim(digits[1:], "0123456789") != "" || digits[1] == '0' {
			return "", fmt.Errorf("%s: a pattern is the beginning of numbers with country code, at least %d digits, and an asterisk, such as +4179001*", s, minPattern)
		}
		return digits + patternMark, nil
	}
	if e164, ok := policy.CanonicalMSISDN(s); ok && policy.TestFault(new(mssp.Party), e164) != nil {
		return "", fmt.Errorf("%s: a test number, which returns the fault in its last digits", s)
	}
	msisdn, ok := policy.ParseMSISDN(s)
	if !ok {
		return "", fmt.Errorf("%s: not a phone number with its country code, such as +41791234567", s)
	}
	return msisdn, nil
}
