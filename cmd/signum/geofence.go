package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/signum-mssp/signum"
)

// geofenceFlags ask where the phone is, and may restrict where it must be.
type geofenceFlags struct {
	locate        bool
	allow, deny   []string
	minConfidence float64
	maxAge        time.Duration
	maxAccuracy   int
}

func (g *geofenceFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.BoolVar(&g.locate, "geofence", false, "ask where the phone is")
	fl.StringSliceVar(&g.allow, "geofence-allow", nil, "countries the phone must be in, such as CH,LI (ISO 3166-1)")
	fl.StringSliceVar(&g.deny, "geofence-deny", nil, "countries the phone must not be in")
	fl.Float64Var(&g.minConfidence, "geofence-min-confidence", 0, "minimum confidence in device and location, 0 to 1")
	fl.DurationVar(&g.maxAge, "geofence-max-age", 0, "maximum age of the location, in whole minutes, such as 10m")
	fl.IntVar(&g.maxAccuracy, "geofence-max-accuracy", 0, "maximum inaccuracy of the location, in metres")
}

// policy returns the policy that the flags set, or nil if they set none. Each of
// them asks for the location, as --geofence does.
func (g *geofenceFlags) policy(cmd *cobra.Command) (*signum.GeofencingPolicy, error) {
	p := &signum.GeofencingPolicy{
		CountryWhitelist: strings.Join(g.allow, ","),
		CountryBlacklist: strings.Join(g.deny, ","),
	}
	changed := cmd.Flags().Changed
	if changed("geofence-min-confidence") {
		p.MinDeviceConfidence = strconv.FormatFloat(g.minConfidence, 'f', -1, 64)
		p.MinLocationConfidence = p.MinDeviceConfidence
	}
	if changed("geofence-max-age") {
		if g.maxAge < 0 || g.maxAge%time.Minute != 0 {
			return nil, fmt.Errorf("--geofence-max-age %s: not whole minutes", g.maxAge)
		}
		p.MaxTimestampMinutes = strconv.Itoa(int(g.maxAge / time.Minute))
	}
	if changed("geofence-max-accuracy") {
		p.MaxAccuracyMeters = strconv.Itoa(g.maxAccuracy)
	}
	if *p == (signum.GeofencingPolicy{}) {
		return nil, nil
	}
	return p, nil
}

// location is the location of a phone as the service reports it, or why it is unknown.
type location struct {
	Country            string `json:"country,omitempty"`
	Accuracy           *int   `json:"accuracy,omitempty"` // metres; 0 for a SIM
	Timestamp          string `json:"timestamp,omitempty"`
	DeviceConfidence   string `json:"device_confidence,omitempty"`
	LocationConfidence string `json:"location_confidence,omitempty"`
	ErrorCode          string `json:"error_code,omitempty"`
	ErrorMessage       string `json:"error_message,omitempty"`
}

func newLocation(g *signum.Geofencing) *location {
	if g.ErrorCode != "" {
		return &location{ErrorCode: g.ErrorCode, ErrorMessage: g.ErrorMessage}
	}
	return &location{
		Country: g.Country, Accuracy: &g.Accuracy, Timestamp: g.Timestamp,
		DeviceConfidence: g.DeviceConfidence, LocationConfidence: g.LocationConfidence,
	}
}

func (l *location) String() string {
	if l.ErrorCode != "" {
		return fmt.Sprintf("not known: %s %s", l.ErrorCode, l.ErrorMessage)
	}
	within := "the country only" // a SIM gives no more
	if *l.Accuracy != 0 {
		within = fmt.Sprintf("within %d m", *l.Accuracy)
	}
	return fmt.Sprintf("%s, %s, measured %s", l.Country, within, l.Timestamp)
}

func (l *location) confidence() string {
	if l.ErrorCode != "" {
		return ""
	}
	return fmt.Sprintf("device %s, location %s (0 to 1)", l.DeviceConfidence, l.LocationConfidence)
}
