package person

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/language"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// UsualAccuracy stands for the accuracy of the method: 0 m for a SIM, of which only
// the country is known, and appAccuracy for an App, which uses satellites.
const (
	UsualAccuracy = -1
	appAccuracy   = 16
)

// Place is the location that a person's phones report when asked. The zero value
// is invalid; see DefaultPlace.
type Place struct {
	None  bool            // the phone reports nothing, not even an error
	Error signum.GeoError // the phone reports this error; 0: none

	Country            string // ISO 3166-1 alpha-2
	Accuracy           int    // metres, or UsualAccuracy
	DeviceConfidence   float64
	LocationConfidence float64
	Age                time.Duration // of the measurement when it is reported
}

// DefaultPlace returns Switzerland, measured now, with full confidence.
func DefaultPlace() Place {
	return Place{Country: "CH", Accuracy: UsualAccuracy, DeviceConfidence: 1, LocationConfidence: 1}
}

// ParsePlace parses a country and options, or an error, or none: "CH",
// "CH,accuracy=16,device=0.9,location=0.85,age=3h", "error=103", "none". The
// defaults are those of DefaultPlace.
func ParsePlace(s string) (Place, error) {
	p := DefaultPlace()
	wrong := func(err error) (Place, error) { return Place{}, fmt.Errorf("place %q: %w", s, err) }
	if s == "none" {
		return Place{None: true}, nil
	}
	if code, ok := strings.CutPrefix(s, "error="); ok {
		n, err := strconv.Atoi(code)
		if p = (Place{Error: signum.GeoError(n)}); err != nil || !p.Error.Known() {
			return wrong(fmt.Errorf("the error must be one of %d", signum.GeoErrors))
		}
		return p, nil
	}
	seen := make(map[string]bool)
	for i, part := range strings.Split(s, ",") {
		name, value, isOption := strings.Cut(part, "=")
		if !isOption {
			if i > 0 {
				return wrong(fmt.Errorf("%q is not an option; the country must come first", part))
			}
			p.Country = part
			continue
		}
		if seen[name] {
			return wrong(fmt.Errorf("%s occurs twice", name))
		}
		seen[name] = true
		if err := p.set(name, value); err != nil {
			return wrong(err)
		}
	}
	if err := p.Check(); err != nil {
		return wrong(err)
	}
	return p, nil
}

func (p *Place) set(option, value string) (err error) {
	switch option {
	case "accuracy":
		if p.Accuracy, err = strconv.Atoi(value); err == nil && p.Accuracy < 0 {
			err = fmt.Errorf("%d is negative", p.Accuracy)
		}
	case "device":
		p.DeviceConfidence, err = strconv.ParseFloat(value, 64)
	case "location":
		p.LocationConfidence, err = strconv.ParseFloat(value, 64)
	case "age":
		p.Age, err = time.ParseDuration(value)
	default:
		return fmt.Errorf("%q is not one of accuracy, device, location, age", option)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", option, err)
	}
	return nil
}

// Check returns an error if the place is invalid.
func (p Place) Check() error {
	isConfidence := func(f float64) bool { return f >= 0 && f <= 1 } // false for NaN
	switch {
	case p.None:
		return nil
	case p.Error != 0:
		if !p.Error.Known() {
			return fmt.Errorf("the error %d does not exist", p.Error)
		}
		return nil
	case !isCountry(p.Country):
		return fmt.Errorf("%q is not a country in two capital letters (ISO 3166-1), such as CH", p.Country)
	case p.Accuracy < UsualAccuracy:
		return fmt.Errorf("the accuracy of %d m is negative", p.Accuracy)
	case !isConfidence(p.DeviceConfidence) || !isConfidence(p.LocationConfidence):
		return errors.New("a confidence must be between 0 and 1")
	case p.Age < 0:
		return fmt.Errorf("the age of %s is negative", p.Age)
	}
	return nil
}

// isCountry reports whether code is one of ISO 3166-1 today, in capital letters.
func isCountry(code string) bool {
	r, err := language.ParseRegion(code)
	return err == nil && r.IsCountry() && r.String() == code && r.Canonicalize() == r
}

// String returns the form that ParsePlace parses.
func (p Place) String() string {
	switch {
	case p.None:
		return "none"
	case p.Error != 0:
		return fmt.Sprintf("error=%d", p.Error)
	}
	s := p.Country
	if p.Accuracy != UsualAccuracy {
		s += fmt.Sprintf(",accuracy=%d", p.Accuracy)
	}
	if p.DeviceConfidence != 1 {
		s += ",device=" + strconv.FormatFloat(p.DeviceConfidence, 'g', -1, 64)
	}
	if p.LocationConfidence != 1 {
		s += ",location=" + strconv.FormatFloat(p.LocationConfidence, 'g', -1, 64)
	}
	if p.Age != 0 {
		s += ",age=" + p.Age.String()
	}
	return s
}

// Location returns what a phone of this method reports now; nil if nothing.
func (p Place) Location(m signum.Method, now time.Time) *mssp.Location {
	switch {
	case p.None:
		return nil
	case p.Error != 0:
		return &mssp.Location{Error: p.Error} // nothing was measured
	}
	accuracy := p.Accuracy
	if accuracy == UsualAccuracy {
		accuracy = 0
		if m == signum.App {
			accuracy = appAccuracy
		}
	}
	return &mssp.Location{
		Country: p.Country, Accuracy: accuracy, DeviceConfidence: p.DeviceConfidence,
		LocationConfidence: p.LocationConfidence, Measured: now.Add(-p.Age),
	}
}
