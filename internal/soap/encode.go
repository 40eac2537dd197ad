package soap

import (
	"encoding/base64"
	"strconv"
	"unicode/utf8"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/edge"
)

// Beginning and end of every answer. Some clients match the prefixes as text,
// so the prefixes are fixed, and there is no white space between elements.
const (
	head = `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="` + nsSOAP + `"><soapenv:Body>`
	tail = `</soapenv:Body></soapenv:Envelope>`
)

// AppendResponse implements edge.Wire.
func (w Wire) AppendResponse(dst []byte, f edge.Form, r signum.Response) []byte {
	switch r := r.(type) {
	case *signum.SignatureResponse:
		dst = openPart(dst, f, signum.OpSignature, "MSS_SignatureResp", one)
		dst = append(dst, ` MSSP_TransID="`...)
		dst = escape(dst, r.TransID, true)
		dst = append(dst, `" xmlns:mss="`+nsMSS+`" xmlns:fi="`+nsFi+`">`...)
		dst = appendHead(dst, &r.Header)
		dst = appendUser(dst, r.MSISDN)
		dst = appendSignature(dst, r.Signature)
		if r.Profile != "" {
			dst = appendSignatureProfile(dst, r.Profile)
		}
		dst = appendStatus(dst, r.Status)
		dst = appendServices(dst, r.Services)
		return closePart(dst, f, signum.OpSignature, "MSS_SignatureResp")
	case *signum.StatusResponse:
		dst = openPart(dst, f, signum.OpStatus, "MSS_StatusResp", one)
		dst = append(dst, ` xmlns:mss="`+nsMSS+`" xmlns:fi="`+nsFi+`">`...)
		dst = appendHead(dst, &r.Header)
		dst = appendUser(dst, r.MSISDN)
		dst = appendSignature(dst, r.Signature)
		dst = appendStatus(dst, r.Status)
		dst = appendServices(dst, r.Services)
		return closePart(dst, f, signum.OpStatus, "MSS_StatusResp")
	case *signum.ReceiptResponse:
		return appendReceipt(dst, f, r)
	case *signum.ProfileResponse:
		return appendProfile(dst, f, r)
	}
	return w.AppendFault(dst, f, signum.NewFault(signum.InternalError))
}

// one is the version of every answer except that of a profile query, whatever
// version the request had.
var one = signum.Version{Major: "1", Minor: "1"}

// openPart opens the wrapper and the part in the form of the request, and
// writes the attributes that all answers have.
func openPart(dst []byte, f edge.Form, op signum.Operation, part string, v signum.Version) []byte {
	dst = append(dst, head...)
	if f&formBare == 0 {
		dst = append(dst, '<')
		dst = append(dst, op...)
		dst = append(dst, `Response`...)
		if f&formWrapperKiuru != 0 {
			dst = append(dst, ` xmlns="`+nsKiuru+`"`...)
		}
		dst = append(dst, '>')
	}
	dst = append(dst, '<')
	if f&formPartMSS != 0 {
		dst = append(dst, `mss:`...)
	}
	dst = append(dst, part...)
	if f&(formBare|formWrapperKiuru|formPartMSS) == formWrapperKiuru {
		dst = append(dst, ` xmlns=""`...)
	}
	dst = attribute(dst, "MajorVersion", v.Major)
	return attribute(dst, "MinorVersion", v.Minor)
}

func closePart(dst []byte, f edge.Form, op signum.Operation, part string) []byte {
	dst = append(dst, `</`...)
	if f&formPartMSS != 0 {
		dst = append(dst, `mss:`...)
	}
	dst = append(dst, part...)
	dst = append(dst, '>')
	if f&formBare == 0 {
		dst = append(dst, `</`...)
		dst = append(dst, op...)
		dst = append(dst, `Response>`...)
	}
	return append(dst, tail...)
}

// appendHead writes AP_Info and MSSP_Info. The attributes of AP_Info keep this
// order, because a client that cuts the answer into words reads them by
// position. The public schema requires AP_PWD, so it is written even if it is
// empty.
func appendHead(dst []byte, h *signum.Header) []byte {
	dst = append(dst, `<mss:AP_Info AP_ID="`...)
	dst = escape(dst, h.AP.ID, true)
	dst = append(dst, `" AP_TransID="`...)
	dst = escape(dst, h.AP.TransID, true)
	dst = append(dst, `" AP_PWD="`...)
	dst = escape(dst, h.AP.Password, true)
	dst = append(dst, `" Instant="`...)
	dst = escape(dst, h.AP.Instant, true)
	dst = append(dst, `"/><mss:MSSP_Info Instant="`...)
	dst = escape(dst, h.MSSP.Instant, true)
	dst = append(dst, `"><mss:MSSP_ID><mss:URI>`...)
	dst = escape(dst, h.MSSP.URI, false)
	return append(dst, `</mss:URI></mss:MSSP_ID></mss:MSSP_Info>`...)
}

func appendUser(dst []byte, msisdn string) []byte {
	dst = append(dst, `<mss:MobileUser><mss:MSISDN>`...)
	dst = escape(dst, msisdn, false)
	return append(dst, `</mss:MSISDN></mss:MobileUser>`...)
}

func appendSignatureProfile(dst []byte, uri string) []byte {
	dst = append(dst, `<mss:SignatureProfile><mss:mssURI>`...)
	dst = escape(dst, uri, false)
	return append(dst, `</mss:mssURI></mss:SignatureProfile>`...)
}

func appendSignature(dst, der []byte) []byte {
	if len(der) == 0 {
		return dst
	}
	dst = append(dst, `<mss:MSS_Signature><mss:Base64Signature>`...)
	dst = base64.StdEncoding.AppendEncode(dst, der)
	return append(dst, `</mss:Base64Signature></mss:MSS_Signature>`...)
}

// appendStatus opens Status. A StatusDetail may follow.
func appendStatus(dst []byte, c signum.Code) []byte {
	dst = append(dst, `<mss:Status><mss:StatusCode Value="`...)
	dst = strconv.AppendInt(dst, int64(c), 10)
	dst = append(dst, `"/><mss:StatusMessage>`...)
	dst = escape(dst, c.String(), false)
	return append(dst, `</mss:StatusMessage>`...)
}

// appendServices closes Status. It writes a StatusDetail only if there are
// answers of additional services, geofencing first.
func appendServices(dst []byte, list []signum.ServiceResponse) []byte {
	if len(list) > 0 {
		dst = append(dst, `<mss:StatusDetail><fi:ServiceResponses>`...)
		for _, geofencing := range []bool{true, false} {
			for i := range list {
				if (list[i].Geofencing != nil) == geofencing {
					dst = appendService(dst, &list[i])
				}
			}
		}
		dst = append(dst, `</fi:ServiceResponses></mss:StatusDetail>`...)
	}
	return append(dst, `</mss:Status>`...)
}

func appendService(dst []byte, s *signum.ServiceResponse) []byte {
	dst = append(dst, `<fi:ServiceResponse><fi:Description><mss:mssURI>`...)
	dst = escape(dst, s.URI, false)
	dst = append(dst, `</mss:mssURI></fi:Description>`...)
	if g := s.Geofencing; g != nil {
		dst = append(dst, `<ns1:GeoFencing xmlns:ns1="`+nsAS+`"`...)
		if g.ErrorCode != "" {
			dst = attribute(dst, "errorcode", g.ErrorCode)
			dst = attribute(dst, "errormessage", g.ErrorMessage)
		} else {
			dst = attribute(dst, "country", g.Country)
			dst = append(dst, ` accuracy="`...)
			dst = strconv.AppendInt(dst, int64(g.Accuracy), 10)
			dst = append(dst, '"')
			dst = attribute(dst, "timestamp", g.Timestamp)
			dst = attribute(dst, "deviceconfidence", g.DeviceConfidence)
			dst = attribute(dst, "locationconfidence", g.LocationConfidence)
		}
		dst = append(dst, `/>`...)
	}
	if s.AuthURI != "" {
		dst = append(dst, `<fi:App2App><ns1:AuthUri xmlns:ns1="`+nsAS+`">`...)
		dst = escape(dst, s.AuthURI, false)
		dst = append(dst, `</ns1:AuthUri></fi:App2App>`...)
	}
	if s.Details != nil {
		dst = append(dst, `<ns1:SubscriberInfo xmlns:ns1="`+nsAS+`">`...)
		for _, d := range s.Details {
			dst = append(dst, `<ns1:Detail`...)
			dst = attribute(dst, "id", d.ID)
			dst = attribute(dst, "value", d.Value)
			dst = append(dst, `/>`...)
		}
		dst = append(dst, `</ns1:SubscriberInfo>`...)
	}
	if s.VerificationCode != "" {
		dst = append(dst, `<sig:VerificationCode xmlns:sig="`+nsSignum+`">`...)
		dst = escape(dst, s.VerificationCode, false)
		dst = append(dst, `</sig:VerificationCode>`...)
	}
	return append(dst, `</fi:ServiceResponse>`...)
}

// AppendFault implements edge.Wire. A fault without a detail gets the detail
// that is documented for its code.
func (w Wire) AppendFault(dst []byte, _ edge.Form, flt *signum.Fault) []byte {
	if flt == nil {
		flt = signum.NewFault(signum.InternalError)
	}
	dst = append(dst, head+`<soapenv:Fault><soapenv:Code><soapenv:Value>soapenv:`...)
	if flt.Code.Sender() {
		dst = append(dst, "Sender"...)
	} else {
		dst = append(dst, "Receiver"...)
	}
	dst = append(dst, `</soapenv:Value><soapenv:Subcode xmlns:mss="`+nsMSS+`"><soapenv:Value>mss:_`...)
	dst = strconv.AppendInt(dst, int64(flt.Code), 10)
	dst = append(dst, `</soapenv:Value></soapenv:Subcode></soapenv:Code><soapenv:Reason><soapenv:Text xml:lang="en">`...)
	dst = escape(dst, flt.Code.String(), false)
	dst = append(dst, `</soapenv:Text></soapenv:Reason><soapenv:Detail><ns1:detail xmlns:ns1="`+nsDetail+`">`...)
	detail := flt.Detail
	if detail == "" {
		detail = flt.Code.Detail()
	}
	dst = escape(dst, detail, false)
	dst = append(dst, `</ns1:detail>`...)
	if w.PortalURL != "" && assisted(flt.Code) {
		dst = append(dst, `<UserAssistance xmlns="`+nsSCO+`"><PortalUrl>`...)
		dst = escape(dst, w.PortalURL, false)
		dst = append(dst, `</PortalUrl></UserAssistance>`...)
	}
	return append(dst, `</soapenv:Detail></soapenv:Fault>`+tail...)
}

// assisted reports whether the mobile user can solve the problem in the portal.
func assisted(c signum.Code) bool {
	switch c {
	case signum.PINBlocked, signum.CardBlocked, signum.NoKeyFound, signum.NoCertFound:
		return true
	}
	return false
}

func attribute(dst []byte, name, value string) []byte {
	dst = append(dst, ' ')
	dst = append(dst, name...)
	dst = append(dst, `="`...)
	dst = escape(dst, value, true)
	return append(dst, '"')
}

// escape appends text, or the value of an attribute in double quotes. A
// character that XML 1.0 does not allow (clause 2.2) becomes U+FFFD. White
// space that a parser would normalize is written as a character reference.
func escape(dst []byte, s string, attr bool) []byte {
	start := 0
	for i := 0; i < len(s); {
		var ref string
		n := 1
		switch b := s[i]; {
		case b == '&':
			ref = "&amp;"
		case b == '<':
			ref = "&lt;"
		case b == '>':
			ref = "&gt;"
		case b == '\r':
			ref = "&#13;"
		case b == '"' && attr:
			ref = "&quot;"
		case b == '\n' && attr:
			ref = "&#10;"
		case b == '\t' && attr:
			ref = "&#9;"
		case b < ' ' && b != '\n' && b != '\t':
			ref = "\uFFFD"
		case b >= utf8.RuneSelf:
			var r rune
			r, n = utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError || r == 0xFFFE || r == 0xFFFF {
				ref = "\uFFFD"
			}
		}
		if ref != "" {
			dst = append(dst, s[start:i]...)
			dst = append(dst, ref...)
			start = i + n
		}
		i += n
	}
	return append(dst, s[start:]...)
}
