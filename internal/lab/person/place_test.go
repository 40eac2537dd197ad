package person_test

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
)

func place(change func(*person.Place)) person.Place {
	p := person.DefaultPlace()
	change(&p)
	return p
}

func TestParsePlace(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in   string
		want person.Place
		out  string // if another
	}{
		{in: "CH", want: person.DefaultPlace()},
		{in: "LI", want: place(func(p *person.Place) { p.Country = "LI" })},
		{in: "CH,accuracy=16,device=0.9,location=0.85,age=3h", out: "CH,accuracy=16,device=0.9,location=0.85,age=3h0m0s",
			want: person.Place{Country: "CH", Accuracy: 16, DeviceConfidence: 0.9, LocationConfidence: 0.85, Age: 3 * time.Hour}},
		{in: "age=90s,accuracy=0", out: "CH,accuracy=0,age=1m30s",
			want: place(func(p *person.Place) { p.Age, p.Accuracy = 90*time.Second, 0 })},
		{in: "DE,device=0,location=1", out: "DE,device=0",
			want: place(func(p *person.Place) { p.Country, p.DeviceConfidence = "DE", 0 })},
		{in: "error=103", want: person.Place{Error: signum.GeoDenied}},
		{in: "none", want: person.Place{None: true}},
	}
	for _, tc := range tests {
		got, err := person.ParsePlace(tc.in)
		if err != nil || got != tc.want {
			t.Errorf("%q: %+v, %v", tc.in, got, err)
		}
		if tc.out == "" {
			tc.out = tc.in
		}
		if got.String() != tc.out {
			t.Errorf("%q: %q, want %q", tc.in, got, tc.out)
		}
	}
	wrong := map[string]string{
		"":                     "capital letters",
		"ch":                   "capital letters",
		"CHE":                  "capital letters",
		"ÄÖ":                   "capital letters",
		"CH,":                  "not an option",
		"CH,LI":                "not an option",
		"age=1s,CH":            "the country must come first",
		"CH,age":               "not an option",
		"CH,altitude=400":      "not one of accuracy",
		"CH, age=1s":           "not one of accuracy",
		"CH,age=1s,age=1s":     "twice",
		"CH,age=3":             "unit",
		"CH,age=-1s":           "negative",
		"CH,accuracy=-1":       "negative",
		"CH,accuracy=1.5":      "accuracy",
		"CH,device=1.01":       "between 0 and 1",
		"CH,location=-0.1":     "between 0 and 1",
		"CH,location=NaN":      "between 0 and 1",
		"CH,device=high":       "device",
		"error=1":              "one of [100",
		"error=x":              "one of [100",
		"error=0":              "one of [100",
		"error=103,age=3h":     "one of [100",
		"CH,error=103":         "not one of accuracy",
		"none,age=3h":          "capital letters",
		"CH,accuracy=99999e99": "accuracy",
	}
	for in, want := range wrong {
		if p, err := person.ParsePlace(in); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "place ") {
			t.Errorf("%q: %+v, %v, want %q in the error", in, p, err, want)
		}
	}
}

func FuzzParsePlace(f *testing.F) {
	for _, s := range []string{"CH", "CH,accuracy=16,device=0.9,location=0.85,age=3h", "error=103", "none", "LI,location=1e-9"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := person.ParsePlace(s)
		if err != nil {
			return
		}
		if again, err := person.ParsePlace(p.String()); err != nil || again != p {
			t.Fatalf("%q is %+v, then %+v, %v", s, p, again, err)
		}
	})
}

func TestLocation(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, tc := range []struct {
		place    string
		sim, app *mssp.Location
	}{
		{"CH", &mssp.Location{Country: "CH", DeviceConfidence: 1, LocationConfidence: 1, Measured: now},
			&mssp.Location{Country: "CH", Accuracy: 16, DeviceConfidence: 1, LocationConfidence: 1, Measured: now}},
		{"LI,accuracy=7,device=0.9,location=0.5,age=3h",
			&mssp.Location{Country: "LI", Accuracy: 7, DeviceConfidence: 0.9, LocationConfidence: 0.5, Measured: now.Add(-3 * time.Hour)},
			&mssp.Location{Country: "LI", Accuracy: 7, DeviceConfidence: 0.9, LocationConfidence: 0.5, Measured: now.Add(-3 * time.Hour)}},
		{"error=106", &mssp.Location{Error: signum.GeoAirplaneMode}, &mssp.Location{Error: signum.GeoAirplaneMode}},
		{"none", nil, nil},
	} {
		p, err := person.ParsePlace(tc.place)
		if err != nil {
			t.Fatal(err)
		}
		for m, want := range map[signum.Method]*mssp.Location{signum.SIM: tc.sim, signum.App: tc.app} {
			if got := p.Location(m, now); !reflect.DeepEqual(got, want) {
				t.Errorf("%q, %s: %+v, want %+v", tc.place, m, got, want)
			}
		}
	}
}

func TestMoveTo(t *testing.T) {
	t.Parallel()
	p := person.New(0)
	if p.Place() != person.DefaultPlace() {
		t.Errorf("at first: %v", p.Place())
	}
	if err := p.MoveTo(person.Place{None: true}); err != nil || !p.Place().None {
		t.Errorf("%v, %v", p.Place(), err)
	}
	for _, at := range []person.Place{
		{}, {Error: 1}, place(func(p *person.Place) { p.Accuracy = -2 }),
		place(func(p *person.Place) { p.DeviceConfidence = math.NaN() }), place(func(p *person.Place) { p.Age = -1 }),
	} {
		if err := p.MoveTo(at); err == nil || !p.Place().None {
			t.Errorf("%+v was accepted", at)
		}
	}
}
