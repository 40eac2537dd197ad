package policy

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nyaruka/phonenumbers"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// TooMany refuses a request of a party that has used up one of its limits (900),
// and says how long to wait. It never looks like a failed authentication, which
// would make the party look for the fault in its certificate. The log names the limit.
func TooMany(limit string, wait time.Duration) error {
	f := &signum.Fault{Code: signum.InternalError, Detail: signum.DetailTooMany, RetryAfter: wait}
	return mssp.Noted(f, "the party has used up the limit %s", limit)
}

// Busy refuses a request because the service has more to do than it can in the time of the
// request (900), and says how long to wait. Nothing was stored. The log has the figures.
func Busy(figures string, wait time.Duration) error {
	f := &signum.Fault{Code: signum.InternalError, Detail: signum.DetailBusy, RetryAfter: wait}
	return mssp.Noted(f, "overload: %s", figures)
}

// Resting refuses a request because its subscriber must not be asked for some time
// (406): to the party, the phone is busy.
func Resting(limit string, wait time.Duration) error {
	f := signum.NewFault(signum.PBSignatureProcess)
	f.RetryAfter = wait
	return mssp.Noted(f, "the user must not be asked for %s: %s", wait.Round(time.Second), limit)
}

// Tells reports whether a refusal tells something about a number although its phone
// was not asked. A party that wants to know which numbers have an account, or in
// which state, collects such answers.
func Tells(err error) bool {
	f := signum.AsFault(err)
	return f != nil && slices.Contains([]signum.Code{
		signum.UnknownClient, signum.CardBlocked, signum.NoKeyFound, signum.UnsupportedProfile, signum.PINBlocked, signum.NoCertFound,
	}, f.Code)
}

// specialCodes are the country calling codes of no country: satellite phones,
// machines, shared-cost, toll-free and premium-rate numbers of the whole world (ITU-T
// E.164, list of assigned codes). A message to most of them is expensive, and
// somebody may earn from it. The number plans do not know all of them, so the code
// decides.
var specialCodes = []string{"+800", "+808", "+870", "+878", "+881", "+882", "+883", "+888", "+979", "+991"}

// ordinaryTypes are the kinds of numbers that people read messages at. Which kind
// a number is depends on the plan of its country.
var ordinaryTypes = []phonenumbers.PhoneNumberType{
	phonenumbers.MOBILE, phonenumbers.FIXED_LINE, phonenumbers.FIXED_LINE_OR_MOBILE, phonenumbers.VOIP, phonenumbers.UAN,
}

// CountryPrefix returns how the numbers of the same country begin: + and its code.
func CountryPrefix(e164 string) (string, bool) {
	n, err := phonenumbers.Parse(e164, "ZZ")
	if err != nil {
		return "", false
	}
	return "+" + strconv.Itoa(int(n.GetCountryCode())), true
}

// OTPNumber decides whether a one-time password may be sent to a legal number. It
// must begin with one of the prefixes. Unless special numbers are allowed, it must
// not be a premium-rate, shared-cost or satellite number, nor one of an unknown kind:
// a range that is not in the plan of its country needs a prefix of its own, which is
// longer than the country's code.
func OTPNumber(e164 string, prefixes []string, special bool) error {
	longest := 0
	for _, p := range prefixes {
		if strings.HasPrefix(e164, p) {
			longest = max(longest, len(p))
		}
	}
	if longest == 0 || !special && !ordinary(e164, longest) {
		return wrong(signum.DetailOTPNumber)
	}
	return nil
}

// ordinary reports whether the number is of an ordinary kind, or of a range that the
// plan does not know and whose first so many characters were allowed explicitly.
func ordinary(e164 string, allowed int) bool {
	if slices.ContainsFunc(specialCodes, func(code string) bool { return strings.HasPrefix(e164, code) }) {
		return false
	}
	n, err := phonenumbers.Parse(e164, "ZZ")
	if err != nil {
		return false
	}
	kind := phonenumbers.GetNumberType(n)
	country, _ := CountryPrefix(e164)
	return slices.Contains(ordinaryTypes, kind) || kind == phonenumbers.UNKNOWN && allowed > len(country)
}
