package soap

import (
	"encoding/xml"
	"strings"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/edge"
)

// attributes calls f for the attributes of a message: unqualified, as in the
// schema, or qualified with mss, as some clients write them. White space around
// a value is trimmed; the raw value is passed too, for attributes of type
// xs:string.
func attributes(e xml.StartElement, set func(name, value, raw string) error) error {
	for i := range e.Attr {
		a := &e.Attr[i]
		if a.Name.Space == nsMSS {
			for j := range e.Attr {
				if e.Attr[j].Name.Space == "" && e.Attr[j].Name.Local == a.Name.Local {
					return signum.Faultf(signum.WrongParam, "An attribute must not be repeated")
				}
			}
		} else if a.Name.Space != "" {
			continue
		}
		v := edge.Intern(strings.Trim(a.Value, xmlSpace))
		if err := set(a.Name.Local, v, a.Value); err != nil {
			return err
		}
	}
	return nil
}

// signature reads MSS_SignatureReq.
func (p *parser) signature(e xml.StartElement, r *signum.SignatureRequest) error {
	err := attributes(e, func(name, value, _ string) error {
		switch name {
		case "MessagingMode":
			r.MessagingMode = value
		case "TimeOut":
			r.TimeOut = value
		default:
			version(&r.Version, name, value)
		}
		return nil
	})
	if err != nil {
		return err
	}
	var seen once
	return p.children("MSS_SignatureReq", func(e xml.StartElement) error {
		switch e.Name.Local {
		case "MobileUser":
			if err := seen.see(2, "MobileUser"); err != nil {
				return err
			}
			return p.readOnlyChild("MobileUser", "MSISDN", &r.MSISDN)
		case "DataToBeSigned":
			if err := seen.see(3, "DataToBeSigned"); err != nil {
				return err
			}
			return p.data(e, "DataToBeSigned", &r.Data)
		case "DataToBeDisplayed":
			if err := seen.see(6, "DataToBeDisplayed"); err != nil {
				return err
			}
			var d signum.DataToBeSigned
			err := p.data(e, "DataToBeDisplayed", &d)
			r.Displayed = d.Data
			return err
		case "SignatureProfile":
			if err := seen.see(4, "SignatureProfile"); err != nil {
				return err
			}
			return p.readOnlyChild("SignatureProfile", "mssURI", &r.Profile)
		case "AdditionalServices":
			if err := seen.see(5, "AdditionalServices"); err != nil {
				return err
			}
			return p.services(&r.Services)
		}
		return p.header(e, &r.Header, &seen)
	})
}

// status reads MSS_StatusReq.
func (p *parser) status(e xml.StartElement, r *signum.StatusRequest) error {
	err := attributes(e, func(name, value, _ string) error {
		if name == "MSSP_TransID" {
			r.TransID = value
		}
		version(&r.Version, name, value)
		return nil
	})
	if err != nil {
		return err
	}
	var seen once
	return p.children("MSS_StatusReq", func(e xml.StartElement) error {
		return p.header(e, &r.Header, &seen)
	})
}

func version(v *signum.Version, name, value string) {
	switch name {
	case "MajorVersion":
		v.Major = value
	case "MinorVersion":
		v.Minor = value
	}
}

// header reads a child that all messages have in common, and skips any other.
func (p *parser) header(e xml.StartElement, h *signum.Header, seen *once) error {
	switch e.Name.Local {
	case "AP_Info":
		if err := seen.see(0, "AP_Info"); err != nil {
			return err
		}
		err := attributes(e, func(name, value, raw string) error {
			switch name {
			case "AP_ID":
				h.AP.ID = value
			case "AP_PWD":
				h.AP.Password = raw
			case "AP_TransID":
				h.AP.TransID = value
			case "Instant":
				h.AP.Instant = value
			}
			return nil
		})
		if err != nil {
			return err
		}
		return p.skip()
	case "MSSP_Info":
		if err := seen.see(1, "MSSP_Info"); err != nil {
			return err
		}
		err := attributes(e, func(name, value, _ string) error {
			if name == "Instant" {
				h.MSSP.Instant = value
			}
			return nil
		})
		if err != nil {
			return err
		}
		var seen once
		return p.children("MSSP_Info", func(e xml.StartElement) error {
			if e.Name.Local != "MSSP_ID" {
				return p.skip()
			}
			if err := seen.see(0, "MSSP_ID"); err != nil {
				return err
			}
			return p.readOnlyChild("MSSP_ID", "URI", &h.MSSP.URI)
		})
	}
	return p.skip()
}

// readOnlyChild reads the single child name, a token, and ignores its siblings.
func (p *parser) readOnlyChild(what, name string, dst *string) error {
	var seen once
	return p.children(what, func(e xml.StartElement) error {
		if e.Name.Local != name {
			return p.skip()
		}
		if err := seen.see(0, name); err != nil {
			return err
		}
		return p.token(dst, name)
	})
}

// data reads DataToBeSigned or the Message of a receipt. The text is what the
// phone will show, so its white space is kept; only the line ends are
// normalized, as XML demands.
func (p *parser) data(e xml.StartElement, what string, d *signum.DataToBeSigned) error {
	err := attributes(e, func(name, value, _ string) error {
		switch name {
		case "MimeType":
			d.MimeType = value
		case "Encoding":
			d.Encoding = value
		}
		return nil
	})
	if err != nil {
		return err
	}
	text, err := p.text(what)
	d.Data = string(text)
	return err
}
