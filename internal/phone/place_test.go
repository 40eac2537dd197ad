package phone_test

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/phone"
)

func place(change func(*phone.Place)) phone.Place {
	p := phone.DefaultPlace()
	change(&p)
	return p
}

func TestParsePlace(t *testing.T) {
	tests := []struct {
		in   string
		want phone.Place
		out  string // if another
	}{
		{in: "CH", want: phone.DefaultPlace()},
		{in: "LI", want: place(func(p *phone.Place) { p.Country = "LI" })},
		{in: "CH,accuracy=16,device=0.9,location=0.85,age=3h", out: "CH,accuracy=16,device=0.9,location=0.85,age=3h0m0s",
			want: phone.Place{Country: "CH", Accuracy: 16, DeviceConfidence: 0.9, LocationConfidence: 0.85, Age: 3 * time.Hour}},
		{in: "age=90s,accuracy=0", out: "CH,accuracy=0,age=1m30s",
			want: place(func(p *phone.Place) { p.Age, p.Accuracy = 90*time.Second, 0 })},
		{in: "DE,device=0,location=1", out: "DE,device=0",
			want: place(func(p *phone.Place) { p.Country, p.DeviceConfidence = "DE", 0 })},
		{in: "error=103", want: phone.Place{Error: signum.GeoDenied}},
		{in: "none", want: phone.Place{None: true}},
	}
	for _, tc := range tests {
		got, err := phone.ParsePlace(tc.in)
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
		"":                     "capitals",
		"ch":                   "capitals",
		"CHE":                  "capitals",
		"ÄÖ":                   "capitals",
		"CH,":                  "no option",
		"CH,LI":                "no option",
		"age=1s,CH":            "a country comes first",
		"CH,age":               "no option",
		"CH,altitude=400":      "none of accuracy",
		"CH, age=1s":           "none of accuracy",
		"CH,age=1s,age=1s":     "twice",
		"CH,age=3":             "unit",
		"CH,age=-1s":           "negative",
		"CH,accuracy=-1":       "negative",
		"CH,accuracy=1.5":      "accuracy",
		"CH,device=1.01":       "from 0 to 1",
		"CH,location=-0.1":     "from 0 to 1",
		"CH,location=NaN":      "from 0 to 1",
		"CH,device=high":       "device",
		"error=1":              "one of [100",
		"error=x":              "one of [100",
		"error=0":              "one of [100",
		"error=103,age=3h":     "one of [100",
		"CH,error=103":         "none of accuracy",
		"none,age=3h":          "capitals",
		"CH,accuracy=99999e99": "accuracy",
	}
	for in, want := range wrong {
		if p, err := phone.ParsePlace(in); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "place ") {
			t.Errorf("%q: %+v, %v, want %q in the error", in, p, err, want)
		}
	}
}

func FuzzParsePlace(f *testing.F) {
	for _, s := range []string{"CH", "CH,accuracy=16,device=0.9,location=0.85,age=3h", "error=103", "none", "LI,location=1e-9"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := phone.ParsePlace(s)
		if err != nil {
			return
		}
		if again, err := phone.ParsePlace(p.String()); err != nil || again != p {
			t.Fatalf("%q is %+v, then %+v, %v", s, p, again, err)
		}
	})
}

func TestLocation(t *testing.T) {
	tests := []struct {
		place    string // empty: not set
		sim, app *mssp.Location
	}{
		{"", &mssp.Location{Country: "CH", DeviceConfidence: 1, LocationConfidence: 1},
			&mssp.Location{Country: "CH", Accuracy: 16, DeviceConfidence: 1, LocationConfidence: 1}},
		{"LI,accuracy=7,device=0.9,location=0.5", &mssp.Location{Country: "LI", Accuracy: 7, DeviceConfidence: 0.9, LocationConfidence: 0.5},
			&mssp.Location{Country: "LI", Accuracy: 7, DeviceConfidence: 0.9, LocationConfidence: 0.5}},
		{"error=106", &mssp.Location{Error: signum.GeoAirplaneMode}, &mssp.Location{Error: signum.GeoAirplaneMode}},
		{"none", nil, nil},
	}
	for _, tc := range tests {
		for _, m := range []signum.Method{signum.SIM, signum.App} {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, signum.EC, 0)
				if tc.place != "" {
					p, err := phone.ParsePlace(tc.place)
					if err == nil {
						err = l.Place(msisdn, p)
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				want := tc.sim
				if m == signum.App {
					want = tc.app
				}
				if want != nil && want.Error == 0 {
					want.Measured = time.Now()
				}
				r := request(l.device(m), "t1", "a")
				l.send(t, r)
				synctest.Wait()
				if a := l.mssp.only(t); a.Location != nil {
					t.Errorf("%q: not asked, and %+v", tc.place, a.Location)
				}
				r.TransID, r.Locate = "t2", true
				l.send(t, r)
				synctest.Wait()
				if a := l.mssp.got()[1]; a.Signature == nil || !reflect.DeepEqual(a.Location, want) {
					t.Errorf("%q %s: %+v, want %+v", tc.place, m, a.Location, want)
				}
			})
		}
	}
}

// An answer that is repeated tells where the phone was, not where it is.
func TestLocationOfRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, signum.EC, 0)
		if err := l.Place(msisdn, place(func(p *phone.Place) { p.Age = 3 * time.Hour })); err != nil {
			t.Fatal(err)
		}
		r := request(l.app, "t1", "a")
		r.Locate = true
		start := time.Now()
		l.send(t, r)
		time.Sleep(10 * time.Second)
		if err := l.Place(msisdn, place(func(p *phone.Place) { p.Country = "LI" })); err != nil {
			t.Fatal(err)
		}
		l.send(t, r)
		synctest.Wait()
		got := l.mssp.got()
		if len(got) != 2 || !reflect.DeepEqual(got[0], got[1]) || !got[0].Location.Measured.Equal(start.Add(-3*time.Hour)) {
			t.Errorf("%+v", got)
		}
		// A device that is added later is where its person is.
		r = request(l.add(t, phone.DeviceSpec{ID: "new", MSISDN: msisdn, Method: signum.SIM}), "t2", "a")
		r.Locate = true
		l.send(t, r)
		synctest.Wait()
		if a := l.mssp.got()[2]; a.Location == nil || a.Location.Country != "LI" {
			t.Errorf("%+v", a)
		}
		l.behave(t, phone.Behaviour{Do: phone.Cancel})
		r = request(l.sim, "t3", "a")
		r.Locate = true
		l.send(t, r)
		synctest.Wait()
		if a := l.mssp.got()[3]; code(a) != signum.UserCancel || a.Location != nil {
			t.Errorf("%+v", a)
		}
	})
}

func TestPlaceRefuses(t *testing.T) {
	l := newLab(t, signum.EC, 0)
	for _, p := range []phone.Place{
		{}, {Error: 1}, place(func(p *phone.Place) { p.Accuracy = -2 }),
		place(func(p *phone.Place) { p.DeviceConfidence = math.NaN() }), place(func(p *phone.Place) { p.Age = -1 }),
	} {
		if err := l.Place(msisdn, p); err == nil || strings.Contains(err.Error(), msisdn) {
			t.Errorf("%+v: %v", p, err)
		}
	}
	if err := l.Place("+41790000000", phone.DefaultPlace()); !errors.Is(err, phone.ErrUnknown) {
		t.Error(err)
	}
}
