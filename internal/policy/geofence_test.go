package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

func n(v int) *int { return &v }

func TestParseGeofence(t *testing.T) {
	type P = signum.GeofencingPolicy
	for _, tt := range []struct {
		name string
		sent P
		want *mssp.Geofence
	}{
		{"the guide's", P{CountryWhitelist: "CH,DE,AT", MinDeviceConfidence: "0.7", MinLocationConfidence: "0.7", MaxTimestampMinutes: "600", MaxAccuracyMeters: "1000"},
			&mssp.Geofence{CountryWhitelist: []string{"CH", "DE", "AT"}, MinDeviceConfidence: 0.7, MinLocationConfidence: 0.7, MaxTimestampMinutes: n(600), MaxAccuracyMeters: n(1000)}},
		{"no rule", P{}, nil},
		{"rules that allow everything", P{MinDeviceConfidence: "0", CountryBlacklist: " , "}, nil},
		{"lower case, spaces, semicolons", P{CountryBlacklist: "ru; kp  ir"}, &mssp.Geofence{CountryBlacklist: []string{"RU", "KP", "IR"}}},
		{"zero is a limit", P{MaxAccuracyMeters: "0", MaxTimestampMinutes: "0"}, &mssp.Geofence{MaxAccuracyMeters: n(0), MaxTimestampMinutes: n(0)}},
	} {
		got, err := ParseGeofence(&tt.sent)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s: %s", tt.name, d)
		}
	}
	for _, bad := range []P{
		{CountryWhitelist: "CHE"}, {CountryWhitelist: "C1"}, {CountryBlacklist: "Schweiz"}, {CountryBlacklist: strings.Repeat("CH,", 400)},
		{MinDeviceConfidence: "1.1"}, {MinDeviceConfidence: "-0.1"}, {MinLocationConfidence: "NaN"}, {MinLocationConfidence: "high"},
		{MaxTimestampMinutes: "-1"}, {MaxTimestampMinutes: "1.5"}, {MaxAccuracyMeters: "99999999999"},
	} {
		if got, err := ParseGeofence(&bad); code(err) != 101 {
			t.Errorf("%+v: got %+v, %v", bad, got, err)
		}
	}
}

func TestCheckGeofences(t *testing.T) {
	type G = mssp.Geofence
	good := mssp.Location{Country: "CH", Accuracy: 16, DeviceConfidence: 0.9, LocationConfidence: 0.85, Measured: now.Add(-90 * time.Minute)}
	for _, tt := range []struct {
		name  string
		fence G
		where func(*mssp.Location)
		why   string // empty: allowed
	}{
		{"no rule", G{}, nil, ""},
		{"no rule, no location", G{}, func(l *mssp.Location) { *l = mssp.Location{Error: 103} }, ""},
		{"white list", G{CountryWhitelist: []string{"DE", "CH"}}, nil, ""},
		{"not in it", G{CountryWhitelist: []string{"DE", "AT"}}, nil, "country CH is not in countrywhitelist"},
		{"black list", G{CountryBlacklist: []string{"DE"}}, nil, ""},
		{"in it", G{CountryBlacklist: []string{"DE", "CH"}}, nil, "country CH is in countryblacklist"},
		{"device confidence", G{MinDeviceConfidence: 0.9}, nil, ""},
		{"device confidence too low", G{MinDeviceConfidence: 0.91}, nil, "device confidence 0.9 is below mindeviceconfidence"},
		{"location confidence", G{MinLocationConfidence: 0.85}, nil, ""},
		{"location confidence too low", G{MinLocationConfidence: 0.86}, nil, "location confidence 0.85 is below minlocationconfidence"},
		{"age", G{MaxTimestampMinutes: n(90)}, nil, ""},
		{"too old", G{MaxTimestampMinutes: n(89)}, nil, "location is 90 minutes old, more than maxtimestampminutes"},
		{"accuracy", G{MaxAccuracyMeters: n(16)}, nil, ""},
		{"too inaccurate", G{MaxAccuracyMeters: n(15)}, nil, "accuracy of 16 metres exceeds maxaccuracymeters"},
		{"no location", G{MaxAccuracyMeters: n(15)}, func(l *mssp.Location) { *l = mssp.Location{Error: 103} },
			"there is no location: 103 " + signum.GeoDenied.String()},
	} {
		l := good
		if tt.where != nil {
			tt.where(&l)
		}
		const generic = "The geofencing policy is violated"
		for _, w := range []struct {
			name   string
			wanted mssp.ServiceOptions
			told   bool
		}{
			{"in the request", mssp.ServiceOptions{Fence: &tt.fence}, true},
			{"of the party, verbose", mssp.ServiceOptions{PartyFence: &mssp.PartyGeofence{Verbose: true, Geofence: tt.fence}}, true},
			{"of the party", mssp.ServiceOptions{PartyFence: &mssp.PartyGeofence{Geofence: tt.fence}}, false},
		} {
			err := CheckGeofences(&w.wanted, &l, now)
			var want *signum.Fault
			if tt.why != "" {
				want = &signum.Fault{Code: 450, Detail: generic}
				if w.told {
					want.Detail += ": " + tt.why
				}
			}
			if d := cmp.Diff(want, signum.AsFault(err)); d != "" {
				t.Errorf("%s, %s: %s", tt.name, w.name, d)
			}
		}
	}
	if err := CheckGeofences(&mssp.ServiceOptions{}, &mssp.Location{Error: 101}, now); err != nil {
		t.Errorf("no policy: %v", err)
	}
}

// TestConfidence: 0.01 for each full hour, never below 0.
func TestConfidence(t *testing.T) {
	for _, tt := range []struct {
		base float64
		age  time.Duration
		want string
	}{
		{1, 0, "1.0"}, {1, 59 * time.Minute, "1.0"}, {1, time.Hour, "0.99"}, {0.9, 10 * time.Hour, "0.8"}, {0.85, 0, "0.85"},
		{1, 100 * time.Hour, "0.0"}, {0.5, 1000 * time.Hour, "0.0"}, {0.7, -time.Hour, "0.7"}, {0.29, 28 * time.Hour, "0.01"},
	} {
		l := &mssp.Location{LocationConfidence: tt.base, Measured: now.Add(-tt.age)}
		if got := FormatScore(Confidence(l, now)); got != tt.want {
			t.Errorf("%v after %s: got %s, want %s", tt.base, tt.age, got, tt.want)
		}
	}
}

func TestGeoErrorOf(t *testing.T) {
	own := dev(signum.SIM, func(d *mssp.Device) { d.Network = signum.Network{MCC: "228", MNC: "01"} })
	foreign := dev(signum.SIM, func(d *mssp.Device) { d.Network = signum.Network{MCC: "228", MNC: "02"} })
	app := dev(signum.App)
	for i, tt := range []struct {
		p    *mssp.Party
		d    mssp.Device
		home string
		want signum.GeoError
	}{
		{subscribed(), own, home, 0}, {subscribed(), app, home, 0}, {subscribed(), app, "", 0},
		{subscribed(), foreign, home, 123}, {subscribed(), own, "", 123}, {party(), own, home, 122}, {party(), app, home, 122},
	} {
		if got := GeoErrorOf(tt.p, &tt.d, tt.home); got != tt.want {
			t.Errorf("%d: got %d, want %d", i, got, tt.want)
		}
	}
}

func TestTestFault(t *testing.T) {
	may := party(func(p *mssp.Party) { p.TestNumbers = true })
	documented := " 101 102 103 104 105 107 108 109 208 209 401 402 403 404 406 422 900 "
	for c := 0; c < 1000; c++ {
		number := fmt.Sprintf("+41000092%03d", c)
		want := signum.Fault{Code: 101, Detail: "Illegal msisdn"}
		if strings.Contains(documented, fmt.Sprintf(" %d ", c)) {
			want = signum.Fault{Code: signum.Code(c), Detail: signum.Code(c).Detail()}
		}
		if err := TestFault(may, number); !is(err, want.Code, want.Detail) {
			t.Errorf("%s: got %v, want %v", number, err, want)
		}
		if err := TestFault(party(), number); !is(err, 101, "Illegal msisdn") {
			t.Errorf("%s, a party that may not: got %v", number, err)
		}
	}
	for _, number := range []string{"+4100009210", "+410000921011", "+41000092"} {
		if err := TestFault(may, number); code(err) != 101 {
			t.Errorf("%s: got %v", number, err)
		}
	}
	for _, number := range []string{"+41791234567", "+41700092501", "+41000000000", "+4100009"} {
		if err := TestFault(may, number); err != nil {
			t.Errorf("%s: got %v", number, err)
		}
	}
	for number, hidden := range map[string]bool{"+41700092501": true, "+41700092502": true, "+41700092503": false, "+41791234567": false} {
		if Hidden(party(), number) != hidden || Hidden(may, number) {
			t.Errorf("%s: hidden %v, %v", number, Hidden(party(), number), Hidden(may, number))
		}
	}
}
