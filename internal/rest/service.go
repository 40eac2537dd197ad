package rest

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/signum-mssp/signum"
)

// services reads AdditionalServices. This is an array, or what some serializers
// make of one: the bare object for an array of one element, and {}, "" or null
// for an empty array.
func (d *decoder) services(list *[]signum.AdditionalService) error {
	switch d.json.PeekKind() {
	case jsontext.KindBeginObject:
		var s signum.AdditionalService
		if err := d.service(&s); err != nil {
			return err
		}
		if s != (signum.AdditionalService{}) {
			*list = []signum.AdditionalService{s}
		}
		return nil
	case jsontext.KindBeginArray:
		return d.array(func() error {
			if d.json.PeekKind() == jsontext.KindNull {
				return d.skip()
			}
			if len(*list) == signum.MaxServices {
				return signum.Faultf(signum.WrongParam, "More than %d AdditionalServices", signum.MaxServices)
			}
			var s signum.AdditionalService
			if err := d.service(&s); err != nil {
				return err
			}
			*list = append(*list, s)
			return nil
		})
	}
	var empty string
	if err := d.text(&empty, "AdditionalServices"); err != nil {
		return err
	}
	if empty != "" {
		return signum.Faultf(signum.WrongParam, "AdditionalServices must be an array")
	}
	return nil
}

func (d *decoder) service(s *signum.AdditionalService) error {
	return d.object("AdditionalServices", func(name []byte) error {
		switch string(name) {
		case "Description":
			return d.text(&s.URI, "Description")
		case "UserLang":
			if d.json.PeekKind() != jsontext.KindBeginObject {
				return d.text(&s.UserLang, "UserLang")
			}
			return d.object("UserLang", func(name []byte) error {
				if string(name) == "Value" {
					return d.text(&s.UserLang, "Value")
				}
				return d.skip()
			})
		case "App2App":
			return d.object("App2App", func(name []byte) error {
				if string(name) == "RedirectUri" {
					return d.text(&s.RedirectURI, "RedirectUri")
				}
				return d.skip()
			})
		}
		if bytes.EqualFold(name, []byte("GeoFencingRequest")) || bytes.EqualFold(name, []byte("GeoFencingReq")) {
			if s.Geofencing != nil {
				return signum.Faultf(signum.WrongParam, "Malformed JSON at byte %d: duplicate member", d.offset())
			}
			return d.geofencing(s)
		}
		return d.skip()
	})
}

// geofencing reads a geofencing policy. The original OpenAPI contract does not
// define it. The guide and the clients write its members in lower case; any
// other case is accepted too.
func (d *decoder) geofencing(s *signum.AdditionalService) error {
	if d.json.PeekKind() == jsontext.KindBeginObject {
		s.Geofencing = new(signum.GeofencingPolicy)
	}
	p := s.Geofencing
	var seen [6]bool
	return d.object("GeoFencingRequest", func(name []byte) error {
		fields := [...]struct {
			name string
			dst  *string
			read func(dst *string, what string) error
		}{
			{"countrywhitelist", &p.CountryWhitelist, d.text},
			{"countryblacklist", &p.CountryBlacklist, d.text},
			{"mindeviceconfidence", &p.MinDeviceConfidence, d.text},
			{"minlocationconfidence", &p.MinLocationConfidence, d.text},
			{"maxtimestampminutes", &p.MaxTimestampMinutes, d.whole},
			{"maxaccuracymeters", &p.MaxAccuracyMeters, d.whole},
		}
		for i, f := range fields {
			if !bytes.EqualFold(name, []byte(f.name)) {
				continue
			}
			if seen[i] {
				return signum.Faultf(signum.WrongParam, "Malformed JSON at byte %d: duplicate member", d.offset())
			}
			seen[i] = true
			if d.json.PeekKind() == jsontext.KindBeginArray {
				return d.list(f.dst, f.name, ',')
			}
			return f.read(f.dst, f.name)
		}
		return d.skip()
	})
}

// list reads an array of scalars and joins it to the single text that SOAP has
// in its place, separated by commas or spaces.
func (d *decoder) list(dst *string, what string, separator byte) error {
	var joined []byte
	err := d.array(func() error {
		var s string
		if err := d.text(&s, what); err != nil || s == "" {
			return err
		}
		if len(joined) > 0 {
			joined = append(joined, separator)
		}
		joined = append(joined, s...)
		return nil
	})
	*dst = string(joined)
	return err
}
