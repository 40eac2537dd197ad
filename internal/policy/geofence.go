package policy

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// maxCountries limits each list of a geofencing policy. ISO 3166-1 has 249
// codes.
const maxCountries = 300

// ParseGeofence parses the policy of a request. If a value cannot be read, the
// error is a 101 that names it. A policy without rules is returned as nil.
func ParseGeofence(g *signum.GeofencingPolicy) (*mssp.Geofence, error) {
	f := new(mssp.Geofence)
	for _, list := range []struct {
		name, sent string
		to         *[]string
	}{
		{"countrywhitelist", g.CountryWhitelist, &f.CountryWhitelist},
		{"countryblacklist", g.CountryBlacklist, &f.CountryBlacklist},
	} {
		for _, c := range strings.FieldsFunc(list.sent, func(r rune) bool { return strings.ContainsRune(", ;\t\r\n", r) }) {
			if c = strings.ToUpper(c); !isCountry(c) || len(*list.to) == maxCountries {
				return nil, wrong("%s is not a list of ISO 3166-1 alpha-2 codes", list.name)
			}
			*list.to = append(*list.to, c)
		}
	}
	for _, score := range []struct {
		name, sent string
		to         *float64
	}{
		{"mindeviceconfidence", g.MinDeviceConfidence, &f.MinDeviceConfidence},
		{"minlocationconfidence", g.MinLocationConfidence, &f.MinLocationConfidence},
	} {
		if score.sent == "" {
			continue
		}
		v, err := strconv.ParseFloat(score.sent, 64)
		if err != nil || !(v >= 0 && v <= 1) {
			return nil, wrong("%s is not a number from 0 to 1", score.name)
		}
		*score.to = v
	}
	for _, limit := range []struct {
		name, sent string
		to         **int
	}{
		{"maxtimestampminutes", g.MaxTimestampMinutes, &f.MaxTimestampMinutes},
		{"maxaccuracymeters", g.MaxAccuracyMeters, &f.MaxAccuracyMeters},
	} {
		if limit.sent == "" {
			continue
		}
		v, err := strconv.ParseUint(limit.sent, 10, 31)
		if err != nil {
			return nil, wrong("%s is not a whole number", limit.name)
		}
		n := int(v)
		*limit.to = &n
	}
	if !hasRules(f) {
		return nil, nil
	}
	return f, nil
}

func isCountry(c string) bool {
	return len(c) == 2 && strings.Trim(c, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

func hasRules(f *mssp.Geofence) bool {
	return len(f.CountryWhitelist) > 0 || len(f.CountryBlacklist) > 0 || f.MinDeviceConfidence > 0 ||
		f.MinLocationConfidence > 0 || f.MaxTimestampMinutes != nil || f.MaxAccuracyMeters != nil
}

// GeofenceViolation says which rule a location violates, or returns an empty
// string if it violates none. The location's confidence must be that of now,
// see Confidence. It fails closed: without a location, any rule is violated.
func GeofenceViolation(f *mssp.Geofence, l *mssp.Location, now time.Time) string {
	if f == nil || !hasRules(f) {
		return ""
	}
	age := now.Sub(l.Measured)
	switch {
	case l.Error != 0:
		return fmt.Sprintf("there is no location: %d %s", int(l.Error), l.Error)
	case len(f.CountryWhitelist) > 0 && !slices.Contains(f.CountryWhitelist, l.Country):
		return fmt.Sprintf("country %s is not in countrywhitelist", l.Country)
	case slices.Contains(f.CountryBlacklist, l.Country):
		return fmt.Sprintf("country %s is in countryblacklist", l.Country)
	case l.DeviceConfidence < f.MinDeviceConfidence:
		return fmt.Sprintf("device confidence %s is below mindeviceconfidence", FormatScore(l.DeviceConfidence))
	case l.LocationConfidence < f.MinLocationConfidence:
		return fmt.Sprintf("location confidence %s is below minlocationconfidence", FormatScore(l.LocationConfidence))
	case f.MaxTimestampMinutes != nil && age > time.Duration(*f.MaxTimestampMinutes)*time.Minute:
		return fmt.Sprintf("location is %d minutes old, more than maxtimestampminutes", int(age.Minutes()))
	case f.MaxAccuracyMeters != nil && l.Accuracy > *f.MaxAccuracyMeters:
		return fmt.Sprintf("accuracy of %d metres exceeds maxaccuracymeters", l.Accuracy)
	}
	return ""
}

// CheckGeofences decides whether a signature with this location counts: nil, or
// 450. The fault names the violated rule if the party sent it with the request;
// a rule that the service keeps for the party is named only if that policy is
// verbose.
func CheckGeofences(w *mssp.ServiceOptions, l *mssp.Location, now time.Time) error {
	if why := GeofenceViolation(w.Fence, l, now); why != "" {
		return violation(why, true)
	}
	if w.PartyFence != nil {
		if why := GeofenceViolation(&w.PartyFence.Geofence, l, now); why != "" {
			return violation(why, w.PartyFence.Verbose)
		}
	}
	return nil
}

func violation(why string, tell bool) error {
	f := signum.NewFault(signum.GeofencingViolation)
	if tell {
		f.Detail += ": " + why
	}
	return f
}

// Confidence returns the location confidence at the time now: it drops by 0.01
// for each full hour since the measurement.
func Confidence(l *mssp.Location, now time.Time) float64 {
	hours := math.Floor(max(now.Sub(l.Measured).Hours(), 0))
	return max(round(l.LocationConfidence-hours/100), 0)
}

func round(v float64) float64 { return math.Round(v*100) / 100 }

// FormatScore writes a confidence in the form that answers use: 1.0, 0.9, 0.85.
func FormatScore(v float64) string {
	s := strconv.FormatFloat(round(v), 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
