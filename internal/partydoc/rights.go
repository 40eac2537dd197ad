package partydoc

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/password"
	"github.com/signum-mssp/signum/internal/visible"
)

// services returns the additional services that a party can subscribe to. userLang needs
// no subscription.
func services() []string {
	return []string{
		signum.ServiceValidate, signum.ServiceGeofencing, signum.ServiceApp2App, signum.ServiceSubscriberInfo, signum.ServiceVerification,
	}
}

// maxRate is the largest rate that package limit can count.
const maxRate = 60_000_000

// checkName has the rules of the store, which keeps the name.
func checkName(name string) error {
	switch n := utf8.RuneCountInString(name); {
	case n > mssp.MaxPartyName:
		return fmt.Errorf("name has %d characters: at most %d are allowed", n, mssp.MaxPartyName)
	case strings.TrimSpace(name) != name || strings.ContainsAny(name, "\t\n\r\f"):
		return fmt.Errorf("name %q: one line without spaces at its ends", name)
	}
	if err := visible.Check(name); err != nil {
		return fmt.Errorf("name has %w", err)
	}
	return nil
}

func (p *Party) checkRights() error {
	known := append([]string{signum.ProfileAuth1}, signum.SignatureProfiles...)
	for _, uri := range p.Profiles {
		if !slices.Contains(known, uri) {
			return fmt.Errorf("profiles: %q: not one of %s", uri, strings.Join(known, ", "))
		}
	}
	if p.AuthProfile1 != "" && !slices.Contains(signum.SignatureProfiles, p.AuthProfile1) {
		return fmt.Errorf("auth_profile %q: not one of %s", p.AuthProfile1, strings.Join(signum.SignatureProfiles, ", "))
	}
	allowed := append([]string{signum.ServiceUserLang}, services()...)
	for _, uri := range p.Services {
		if !slices.Contains(allowed, uri) {
			return fmt.Errorf("services: %q: not one of %s", uri, strings.Join(allowed, ", "))
		}
	}
	if p.PasswordHash != "" {
		if err := password.Valid(p.PasswordHash); err != nil {
			return fmt.Errorf("password_hash: %w", err)
		}
	}
	for _, text := range p.Pins {
		if _, err := ParsePin(text); err != nil {
			return err
		}
	}
	if err := p.Geofence.check(); err != nil {
		return fmt.Errorf("geofence: %w", err)
	}
	if err := p.Limits.check(); err != nil {
		return fmt.Errorf("limits: %w", err)
	}
	return nil
}

func (g *Geofence) check() error {
	if g == nil {
		return nil
	}
	for _, list := range []struct {
		name  string
		codes []string
	}{{"country_whitelist", g.CountryWhitelist}, {"country_blacklist", g.CountryBlacklist}} {
		for i, code := range list.codes {
			list.codes[i] = strings.ToUpper(code)
			if len(code) != 2 || strings.Trim(list.codes[i], "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
				return fmt.Errorf("%s: %q is not a country code of two letters (ISO 3166-1)", list.name, code)
			}
		}
	}
	for name, score := range map[string]float64{"min_device_confidence": g.MinDeviceConfidence, "min_location_confidence": g.MinLocationConfidence} {
		if !(score >= 0 && score <= 1) {
			return fmt.Errorf("%s must be a number from 0 to 1", name)
		}
	}
	for name, limit := range map[string]*int{"max_timestamp_minutes": g.MaxTimestampMinutes, "max_accuracy_meters": g.MaxAccuracyMeters} {
		if limit != nil && *limit < 0 {
			return fmt.Errorf("%s must not be negative", name)
		}
	}
	return nil
}

func (l *Limits) check() error {
	if l == nil {
		return nil
	}
	if l.MaxOpen < 0 {
		return errors.New("max_open must not be negative")
	}
	for _, r := range []struct {
		name string
		rate Rate
	}{
		{"requests", l.Requests}, {"statuses", l.Statuses}, {"profiles", l.Profiles}, {"unknown", l.Unknown}, {"per_number", l.PerNumber},
		{"otp", l.OTP}, {"otp_number", l.OTPNumber},
	} {
		if r.rate != (Rate{}) && (min(r.rate.PerMinute, r.rate.Burst) < 1 || max(r.rate.PerMinute, r.rate.Burst) > maxRate) {
			return fmt.Errorf("%s: per_minute and burst must be numbers from 1 to %d", r.name, maxRate)
		}
	}
	for _, prefix := range l.OTPPrefixes {
		if digits, ok := strings.CutPrefix(prefix, "+"); !ok || strings.Trim(digits, "0123456789") != "" {
			return fmt.Errorf("otp_prefixes: %q: must be + and digits, such as +41", prefix)
		}
	}
	return nil
}
