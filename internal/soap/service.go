package soap

import (
	"encoding/xml"
	"strings"

	"github.com/signum-mssp/signum"
)

func (p *parser) services(list *[]signum.AdditionalService) error {
	return p.children("AdditionalServices", func(e xml.StartElement) error {
		if e.Name.Local != "Service" {
			return p.skip()
		}
		if len(*list) == signum.MaxServices {
			return signum.Faultf(signum.WrongParam, "More than %d AdditionalServices", signum.MaxServices)
		}
		var s signum.AdditionalService
		if err := p.service(&s); err != nil {
			return err
		}
		*list = append(*list, s)
		return nil
	})
}

func (p *parser) service(s *signum.AdditionalService) error {
	var seen once
	return p.children("Service", func(e xml.StartElement) error {
		switch e.Name.Local {
		case "Description":
			if err := seen.see(0, "Description"); err != nil {
				return err
			}
			return p.readOnlyChild("Description", "mssURI", &s.URI)
		case "UserLang":
			if err := seen.see(1, "UserLang"); err != nil {
				return err
			}
			return p.token(&s.UserLang, "UserLang")
		case "App2App":
			if err := seen.see(2, "App2App"); err != nil {
				return err
			}
			return p.readOnlyChild("App2App", "RedirectUri", &s.RedirectURI)
		case "GeoFencingReq", "GeoFencingRequest":
			if err := seen.see(3, "GeoFencingReq"); err != nil {
				return err
			}
			return p.geofencing(e, s)
		}
		return p.skip()
	})
}

func (p *parser) geofencing(e xml.StartElement, s *signum.AdditionalService) error {
	g := new(signum.GeofencingPolicy)
	s.Geofencing = g
	err := attributes(e, func(name, value, _ string) error {
		switch strings.ToLower(name) {
		case "countrywhitelist":
			g.CountryWhitelist = value
		case "countryblacklist":
			g.CountryBlacklist = value
		case "mindeviceconfidence":
			g.MinDeviceConfidence = value
		case "minlocationconfidence":
			g.MinLocationConfidence = value
		case "maxtimestampminutes":
			g.MaxTimestampMinutes = value
		case "maxaccuracymeters":
			g.MaxAccuracyMeters = value
		}
		return nil
	})
	if err != nil {
		return err
	}
	return p.skip()
}
