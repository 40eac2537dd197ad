package policy

import (
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"github.com/signum-mssp/signum"
)

var separators = strings.NewReplacer(" ", "", "-", "")

// ParseMSISDN brings a number to E.164 with leading +. The + may be absent,
// spaces and dashes are tolerated. ok is false for anything that no mobile
// number can be: letters, a wrong length, an unknown country, the national
// prefix zero.
func ParseMSISDN(sent string) (e164 string, ok bool) {
	if len(sent) > maxMSISDNSent {
		return "", false
	}
	digits := strings.TrimPrefix(separators.Replace(sent), "+")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return "", false
	}
	n, err := phonenumbers.Parse("+"+digits, "ZZ")
	if err != nil || !phonenumbers.IsPossibleNumber(n) {
		return "", false
	}
	// The library mends a national prefix silently; a number that it had to
	// mend is not the one that was sent.
	if phonenumbers.Format(n, phonenumbers.E164) != "+"+digits {
		return "", false
	}
	// Few countries have subscriber numbers that begin with zero; there the
	// number plan decides.
	country := strconv.Itoa(int(n.GetCountryCode()))
	if digits[len(country)] == '0' && !phonenumbers.IsValidNumber(n) {
		return "", false
	}
	return "+" + digits, true
}

func msisdn(sent string) (string, *signum.Fault) {
	if n, ok := ParseMSISDN(sent); ok {
		return n, nil
	}
	return "", wrong(signum.DetailIllegalMSISDN)
}
