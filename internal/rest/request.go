package rest

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/signum-mssp/signum"
)

// signature reads MSS_SignatureReq.
func (d *decoder) signature(r *signum.SignatureRequest) error {
	return d.object("MSS_SignatureReq", func(name []byte) error {
		switch string(name) {
		case "MessagingMode":
			return d.text(&r.MessagingMode, "MessagingMode")
		case "TimeOut":
			return d.whole(&r.TimeOut, "TimeOut")
		case "MobileUser":
			return d.user(&r.MSISDN)
		case "SignatureProfile":
			return d.text(&r.Profile, "SignatureProfile")
		case "DataToBeSigned":
			return d.data(&r.Data, "DataToBeSigned")
		case "DataToBeDisplayed":
			return d.displayed(&r.Displayed)
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

func (d *decoder) user(msisdn *string) error {
	return d.object("MobileUser", func(name []byte) error {
		if string(name) == "MSISDN" {
			return d.number(msisdn)
		}
		return d.skip()
	})
}

// data reads DataToBeSigned or the Message of a receipt.
func (d *decoder) data(dst *signum.DataToBeSigned, what string) error {
	broken := -1 // where Data has its first line break
	err := d.object(what, func(name []byte) error {
		switch string(name) {
		case "MimeType":
			return d.text(&dst.MimeType, "MimeType")
		case "Encoding":
			return d.text(&dst.Encoding, "Encoding")
		case "Data":
			err := d.scalar(&dst.Data, "Data")
			broken = d.passed()
			return err
		}
		return d.skip()
	})
	if err == nil && broken >= 0 && !holdsBase64(dst) {
		return brokenAt(broken)
	}
	return err
}

// displayed reads DataToBeDisplayed, an object like DataToBeSigned. Some serializers
// write an empty string for an empty object.
func (d *decoder) displayed(text *string) error {
	if d.json.PeekKind() == jsontext.KindString {
		return d.text(text, "DataToBeDisplayed")
	}
	var data signum.DataToBeSigned
	err := d.data(&data, "DataToBeDisplayed")
	*text = data.Data
	return err
}

// header reads a member that all messages have in common, and skips any other.
func (d *decoder) header(h *signum.Header, name []byte) error {
	switch string(name) {
	case "MajorVersion":
		return d.whole(&h.Version.Major, "MajorVersion")
	case "MinorVersion":
		return d.whole(&h.Version.Minor, "MinorVersion")
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
