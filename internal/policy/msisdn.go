package policy

import (
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

var separators = strings.NewReplacer(" ", "", "-", "")

// CanonicalMSISDN converts what may be a number to the form in which numbers
// are stored. It looks at the characters only. ParseMSISDN also decides whether
// such a number can exist, which takes 9 µs.
func CanonicalMSISDN(sent string) (e164 string, ok bool) {
	if len(sent) > maxMSISDNSent {
		return "", false
	}
	digits := strings.TrimPrefix(separators.Replace(sent), "+")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return "", false
	}
	return "+" + digits, true
}

// ParseMSISDN converts a number to E.164 with leading +. The + may be absent;
// spaces and dashes are tolerated. ok is false for what cannot be a mobile
// number: letters, a wrong length, an unknown country, the national prefix
// zero.
func ParseMSISDN(sent string) (e164 string, ok bool) {
	e164, ok = CanonicalMSISDN(sent)
	if !ok {
		return "", false
	}
	n, err := phonenumbers.Parse(e164, "ZZ")
	if err != nil || !phonenumbers.IsPossibleNumber(n) {
		return "", false
	}
	// The library silently corrects a national prefix. A number that it had to
	// correct is not the one that was sent.
	if phonenumbers.Format(n, phonenumbers.E164) != e164 {
		return "", false
	}
	// In a few countries subscriber numbers do start with zero. There the
	// number plan decides.
	country := strconv.Itoa(int(n.GetCountryCode()))
	if e164[1+len(country)] == '0' && !phonenumbers.IsValidNumber(n) {
		return "", false
	}
	return e164, true
}

// LegalMSISDN is the part of SignatureFields that needs the number plans of the
// world: 101 for a number that cannot exist. If a subscriber has the number, it
// is legal. So this check is needed only for a request that is refused for
// another reason, to keep the documented order of checks.
func LegalMSISDN(e164 string) error {
	if _, ok := ParseMSISDN(e164); !ok {
		return mssp.Noted(wrong(signum.DetailIllegalMSISDN), "no country has such a number")
	}
	return nil
}
