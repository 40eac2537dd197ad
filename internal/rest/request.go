package rest

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/signum-mssp/signum"
)

// maxServices bounds the list of additional services; five are defined.
const maxServices = 16

// signature reads MSS_SignatureReq.
func (d *decoder) signature(r *signum.SignatureRequest) error {
	return d.object("MSS_SignatureReq", func(name []byte) error {
		switch string(name) {
		case "MessagingMode":
			return d.text(&r.MessagingMode, "MessagingMode")
		case "TimeOut":
			return d.text(&r.TimeOut, "TimeOut")
		case "MobileUser":
			return d.object("MobileUser", func(name []byte) error {
				if string(name) == "MSISDN" {
					return d.text(&r.MSISDN, "MSISDN")
				}
				return d.skip()
			})
		case "SignatureProfile":
			return d.text(&r.Profile, "SignatureProfile")
		case "DataToBeSigned":
			return d.object("DataToBeSigned", func(name []byte) error {
				switch string(name) {
				case "MimeType":
					return d.text(&r.Data.MimeType, "MimeType")
				case "Encoding":
					return d.text(&r.Data.Encoding, "Encoding")
				case "Data":
					return d.text(&r.Data.Data, "Data")
				}
				return d.skip()
			})
		case "AdditionalServices":
			return d.services(&r.Services)
		}
		return d.header(&r.Header, name)
	})
}

// status reads MSS_StatusReq.
func (d *decoder) status(r *signum.StatusRequest) error {
	return d.object("MSS_StatusReq", func(name []byte) error {
		if string(name) == "MSSP_TransID" {
			return d.text(&r.TransID, "MSSP_TransID")
		}
		return d.header(&r.Header, name)
	})
}

// header reads a member that every message has, and skips any other.
func (d *decoder) header(h *signum.Header, name []byte) error {
	switch string(name) {
	case "MajorVersion":
		return d.text(&h.Version.Major, "MajorVersion")
	case "MinorVersion":
		return d.text(&h.Version.Minor, "MinorVersion")
	case "AP_Info":
		return d.object("AP_Info", func(name []byte) error {
			switch string(name) {
			case "AP_ID":
				return d.text(&h.AP.ID, "AP_ID")
			case "AP_PWD":
				return d.text(&h.AP.Password, "AP_PWD")
			case "AP_TransID":
				return d.text(&h.AP.TransID, "AP_TransID")
			case "Instant":
				return d.text(&h.AP.Instant, "Instant")
			}
			return d.skip()
		})
	case "MSSP_Info":
		return d.object("MSSP_Info", func(name []byte) error {
			switch string(name) {
			case "Instant":
				return d.text(&h.MSSP.Instant, "Instant")
			case "MSSP_ID":
				return d.object("MSSP_ID", func(name []byte) error {
					if string(name) == "URI" {
						return d.text(&h.MSSP.URI, "URI")
					}
					return d.skip()
				})
			}
			return d.skip()
		})
	}
	return d.skip()
}

// services reads AdditionalServices: an array, or what serializers make of an
// array of one (the object alone) and of an empty one ({}, "" or null).
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
			if len(*list) == maxServices {
				return signum.Faultf(signum.WrongParam, "More than %d AdditionalServices", maxServices)
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

// geofencing reads a policy. The OpenAPI contract does not have it; the
// guide and the clients write its members in lower case, other casings are
// taken too.
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
		}{
			{"countrywhitelist", &p.CountryWhitelist},
			{"countryblacklist", &p.CountryBlacklist},
			{"mindeviceconfidence", &p.MinDeviceConfidence},
			{"minlocationconfidence", &p.MinLocationConfidence},
			{"maxtimestampminutes", &p.MaxTimestampMinutes},
			{"maxaccuracymeters", &p.MaxAccuracyMeters},
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
				return d.list(f.dst, f.name)
			}
			return d.text(f.dst, f.name)
		}
		return d.skip()
	})
}

// list reads an array of scalars as the comma-separated text that the XML
// attribute of the same name has.
func (d *decoder) list(dst *string, what string) error {
	var joined []byte
	err := d.array(func() error {
		var s string
		if err := d.text(&s, what); err != nil || s == "" {
			return err
		}
		if len(joined) > 0 {
			joined = append(joined, ',')
		}
		joined = append(joined, s...)
		return nil
	})
	*dst = string(joined)
	return err
}
