package portal

import (
	"strings"

	"github.com/nyaruka/phonenumbers"
)

var separators = strings.NewReplacer(" ", "", "-", "", "/", "", ".", "", "(0)", "", "(", "", ")", "", "\u00a0", "")

// parseNumber converts what people type to +, country code and number. A number
// without a country code is one of the country (ISO 3166-1 alpha-2) if it begins with
// a zero or is valid there; without a country such a number is refused.
func parseNumber(typed, country string) (string, bool) {
	s := separators.Replace(typed)
	digits := strings.TrimPrefix(s, "+")
	if len(digits) < 7 || len(digits) > 17 || strings.Trim(digits, "0123456789") != "" {
		return "", false
	}
	if rest, ok := strings.CutPrefix(s, "00"); ok {
		s = "+" + rest
	}
	if s[0] != '+' && country != "" {
		n, err := phonenumbers.Parse(s, country)
		if err == nil && (s[0] == '0' && phonenumbers.IsPossibleNumber(n) || phonenumbers.IsValidNumberForRegion(n, country)) {
			return phonenumbers.Format(n, phonenumbers.E164), true
		}
	}
	s = "+" + strings.TrimPrefix(s, "+")
	if len(s) < 8 || len(s) > 16 || s[1] == '0' {
		return "", false
	}
	return s, true
}

// exampleNumber returns a mobile number of the country as people there write it, and
// with its country code. Without a country both are a Swiss one with its code.
func exampleNumber(country string) (national, international string) {
	const swiss = "+41 79 123 45 67"
	if country == "" || country == "CH" {
		if national = swiss; country != "" {
			national = "079 123 45 67"
		}
		return national, swiss
	}
	n := phonenumbers.GetExampleNumberForType(country, phonenumbers.MOBILE)
	if n == nil {
		return swiss, swiss
	}
	return phonenumbers.Format(n, phonenumbers.NATIONAL), phonenumbers.Format(n, phonenumbers.INTERNATIONAL)
}
