package policy

import (
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"github.com/signum-mssp/signum"
)

var separators = strings.NewReplacer(" ", "", "-", "")

// CanonicalMSISDN brings what could be a number to the form in which numbers
// are kept. It only looks at characters; whether there can be such a number is
// ParseMSISDN's to say, which costs 9 µs.
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

// ParseMSISDN brings a number to E.164 with leading +. The + may be absent,
// spaces and dashes are tolerated. ok is false for anything that no mobile
// number can be: letters, a wrong length, an unknown country, the national
// prefix zero.
func ParseMSISDN(sent string) (e164 string, ok bool) {
	e164, ok = CanonicalMSISDN(sent)
	if !ok {
		return "", false
	}
	n, err := phonenumbers.Parse(e164, "ZZ")
	if err != nil || !phonenumbers.IsPossibleNumber(n) {
		return "", false
	}
	// The library mends a national prefix silently; a number that it had to
	// mend is not the one that was sent.
	if phonenumbers.Format(n, phonenumbers.E164) != e164 {
		return "", false
	}
	// Few countries have subscriber numbers that begin with zero; there the
	// number plan decides.
	country := strconv.Itoa(int(n.GetCountryCode()))
	if e164[1+len(country)] == '0' && !phonenumbers.IsValidNumber(n) {
		return "", false
	}
	return e164, true
}

// LegalMSISDN is the part of SignatureFields that needs the number plans of
// the world: 101 for a number that cannot be one. A number that a subscriber
// has is legal; only a request that is refused for another reason needs to
// ask, so that the order of the checks holds.
func LegalMSISDN(e164 string) error {
	if _, ok := ParseMSISDN(e164); !ok {
		return wrong(signum.DetailIllegalMSISDN)
	}
	return nil
}
