package policy

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

func TestOTPNumber(t *testing.T) {
	everywhere := []string{"+"}
	for _, tt := range []struct {
		name, number string
		prefixes     []string
		special      bool
		allowed      bool
	}{
		{"mobile", "+41791110020", everywhere, false, true},
		{"mobile, by its country", "+41791110020", []string{"+49", "+41"}, false, true},
		{"mobile, by its range", "+41791110020", []string{"+4179"}, false, true},
		{"mobile of another country", "+37250123456", []string{"+41"}, false, false},
		{"a country whose code begins with that of another", "+4212345678", []string{"+41"}, false, false},
		{"no prefix at all", "+41791110020", nil, false, false},
		{"mobile and fixed numbers look alike", "+12125551234", everywhere, false, true},
		{"fixed line", "+41445556677", everywhere, false, true},
		{"company-wide number", "+41581234567", everywhere, false, true},

		{"premium rate, North America", "+19005551234", everywhere, false, false},
		{"premium rate, Switzerland", "+41900123456", everywhere, false, false},
		{"premium rate, by its range", "+41900123456", []string{"+41900"}, false, false},
		{"premium rate, allowed", "+41900123456", []string{"+41"}, true, true},
		{"premium rate, allowed elsewhere", "+41900123456", []string{"+49"}, true, false},
		{"premium rate, Britain", "+448712345678", everywhere, false, false},
		{"shared cost, Switzerland", "+41840123456", everywhere, false, false},
		{"shared cost, Germany", "+491371234567", everywhere, false, false},
		{"toll-free", "+41800123456", everywhere, false, false},
		{"personal number, Britain", "+447012345678", everywhere, false, false},
		{"personal number, Switzerland", "+41878123456", everywhere, false, false},
		{"premium range that the plan does not know", "+37290012345", everywhere, false, false},
		{"unknown range, by its country", "+41741234567", []string{"+41"}, false, false},
		{"unknown range, by its range", "+41741234567", []string{"+41", "+4174"}, false, true},

		{"international toll-free", "+80012345678", everywhere, false, false},
		{"international shared cost", "+80812345678", everywhere, false, false},
		{"Inmarsat", "+870773123456", everywhere, false, false},
		{"universal personal number", "+878101234567890", everywhere, false, false},
		{"Iridium, which the plan calls mobile", "+881612345678", everywhere, false, false},
		{"Iridium, by its range", "+881612345678", []string{"+8816"}, false, false},
		{"Thuraya", "+8821612345678", everywhere, false, false},
		{"international networks", "+8835100123456", everywhere, false, false},
		{"disaster relief", "+88812345678", everywhere, false, false},
		{"international premium rate", "+97912345678", everywhere, false, false},
		{"satellite, allowed", "+881612345678", everywhere, true, true},
	} {
		err := OTPNumber(tt.number, tt.prefixes, tt.special)
		if (err == nil) != tt.allowed {
			t.Errorf("%s: %v, want allowed %v", tt.name, err, tt.allowed)
		}
		if want := signum.Faultf(signum.WrongParam, "No one-time password may be sent to this number"); err != nil && !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", tt.name, err, want)
		}
	}
}

// Whatever the number: it begins with an allowed prefix, no special code is let through,
// and more prefixes never allow less.
func FuzzOTPNumber(f *testing.F) {
	for _, n := range []string{"+41791110020", "+19005551234", "+881612345678", "+37290012345", "+", ""} {
		f.Add(n, "+41", false)
		f.Add(n, "+", false)
		f.Add(n, n, true)
	}
	f.Fuzz(func(t *testing.T, number, prefix string, special bool) {
		if OTPNumber(number, []string{prefix}, special) != nil {
			return
		}
		if !strings.HasPrefix(number, prefix) || prefix == "" {
			t.Errorf("%q is allowed by %q", number, prefix)
		}
		if !special && slices.ContainsFunc(specialCodes, func(c string) bool { return strings.HasPrefix(number, c) }) {
			t.Errorf("%q is allowed", number)
		}
		for _, more := range [][]string{{prefix, "+41"}, {"+", prefix}} {
			if err := OTPNumber(number, more, special); err != nil {
				t.Errorf("%q is allowed by %q but not by %q", number, prefix, more)
			}
		}
		if err := OTPNumber(number, []string{prefix}, true); err != nil {
			t.Errorf("%q is refused because special numbers are allowed", number)
		}
	})
}

func TestLimitFaults(t *testing.T) {
	for _, tt := range []struct {
		err  error
		note string
		want signum.Fault
	}{
		{TooMany("requests", time.Second), "the party has used up the limit requests", signum.Fault{Code: signum.InternalError, Detail: "Too many requests", RetryAfter: time.Second}},
		{Resting("cool_down", time.Minute), "the user must not be asked for 1m0s: cool_down", signum.Fault{Code: signum.PBSignatureProcess, Detail: "Signature request already in progress.", RetryAfter: time.Minute}},
	} {
		if f := signum.AsFault(tt.err); f == nil || *f != tt.want || mssp.NoteOf(tt.err) != tt.note {
			t.Errorf("%v (%s), want %v (%s)", tt.err, mssp.NoteOf(tt.err), &tt.want, tt.note)
		}
	}
}
