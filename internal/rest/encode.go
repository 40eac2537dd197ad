package rest

import (
	"encoding/base64"
	"strconv"
	"unicode/utf8"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/edge"
)

// Namespaces of the values in a fault.
const (
	nsMSS  = "http://uri.etsi.org/TS102204/v1.1.2#"
	nsSOAP = "http://www.w3.org/2003/05/soap-envelope"
)

// AppendResponse implements edge.Wire. Members are written in alphabetical
// order, as the public service does. So Status comes last, and the status code
// is the last "Value" on the line; some clients find it by searching the text.
func (w Wire) AppendResponse(dst []byte, f edge.Form, r signum.Response) []byte {
	switch r := r.(type) {
	case *signum.SignatureResponse:
		dst = append(dst, `{"MSS_SignatureResp":{`...)
		dst = appendHead(dst, &r.Header)
		dst = append(dst, `,"MSSP_TransID":`...)
		dst = quote(dst, r.TransID)
		dst = appendSignature(dst, r.Signature)
		dst = appendUser(dst, r.MSISDN)
		dst = appendServices(dst, r.Services)
		if r.Profile != "" {
			dst = append(dst, `,"SignatureProfile":`...)
			dst = quote(dst, r.Profile)
		}
		return appendStatus(dst, r.Status)
	case *signum.StatusResponse:
		dst = append(dst, `{"MSS_StatusResp":{`...)
		dst = appendHead(dst, &r.Header)
		dst = appendSignature(dst, r.Signature)
		dst = appendUser(dst, r.MSISDN)
		dst = appendServices(dst, r.Services)
		return appendStatus(dst, r.Status)
	case *signum.ReceiptResponse:
		return appendReceipt(dst, r)
	case *signum.ProfileResponse:
		return appendProfile(dst, r)
	}
	return w.AppendFault(dst, f, signum.NewFault(signum.InternalError))
}

// appendHead writes AP_Info (without AP_PWD) and MSSP_Info.
func appendHead(dst []byte, h *signum.Header) []byte {
	dst = append(dst, `"AP_Info":{"AP_ID":`...)
	dst = quote(dst, h.AP.ID)
	dst = append(dst, `,"AP_TransID":`...)
	dst = quote(dst, h.AP.TransID)
	dst = append(dst, `,"Instant":`...)
	dst = quote(dst, h.AP.Instant)
	dst = append(dst, `},"MSSP_Info":{"Instant":`...)
	dst = quote(dst, h.MSSP.Instant)
	dst = append(dst, `,"MSSP_ID":{"URI":`...)
	dst = quote(dst, h.MSSP.URI)
	return append(dst, `}}`...)
}

func appendSignature(dst, der []byte) []byte {
	if len(der) == 0 {
		return dst
	}
	dst = append(dst, `,"MSS_Signature":{"Base64Signature":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, der)
	return append(dst, `"}`...)
}

// one is the version of every answer except that of a profile query, whatever
// version the request had.
var one = signum.Version{Major: "1", Minor: "1"}

func appendVersion(dst []byte, v signum.Version) []byte {
	dst = append(dst, `,"MajorVersion":`...)
	dst = quote(dst, v.Major)
	dst = append(dst, `,"MinorVersion":`...)
	return quote(dst, v.Minor)
}

// appendUser writes the version, and the number as it was sent.
func appendUser(dst []byte, msisdn string) []byte {
	dst = appendVersion(dst, one)
	dst = append(dst, `,"MobileUser":{"MSISDN":`...)
	dst = quote(dst, msisdn)
	return append(dst, '}')
}

func appendStatus(dst []byte, c signum.Code) []byte {
	return appendStatusMessage(appendStatusCode(dst, c), c)
}

// appendStatusCode opens Status. A StatusDetail may follow.
func appendStatusCode(dst []byte, c signum.Code) []byte {
	dst = append(dst, `,"Status":{"StatusCode":{"Value":"`...)
	dst = strconv.AppendInt(dst, int64(c), 10)
	return append(dst, `"}`...)
}

// appendStatusMessage closes Status and the message.
func appendStatusMessage(dst []byte, c signum.Code) []byte {
	dst = append(dst, `,"StatusMessage":`...)
	dst = quote(dst, c.String())
	return append(dst, `}}}`...)
}

// appendServices writes the answers of additional services, geofencing first.
func appendServices(dst []byte, list []signum.ServiceResponse) []byte {
	if len(list) == 0 {
		return dst
	}
	dst = append(dst, `,"ServiceResponses":[`...)
	for _, geofencing := range []bool{true, false} {
		for i := range list {
			if (list[i].Geofencing != nil) == geofencing {
				dst = appendService(dst, &list[i])
				dst = append(dst, ',')
			}
		}
	}
	dst[len(dst)-1] = ']'
	return dst
}

func appendService(dst []byte, s *signum.ServiceResponse) []byte {
	dst = append(dst, `{"Description":`...)
	dst = quote(dst, s.URI)
	if s.Geofencing != nil {
		dst = appendGeofencing(dst, s.Geofencing)
	}
	if s.AuthURI != "" {
		dst = append(dst, `,"App2App":{"AuthUri":`...)
		dst = quote(dst, s.AuthURI)
		dst = append(dst, '}')
	}
	if s.Details != nil {
		dst = append(dst, `,"SubscriberInfo":{"Details":[`...)
		for i, d := range s.Details {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, `{"id":`...)
			dst = quote(dst, d.ID)
			dst = append(dst, `,"value":`...)
			dst = quote(dst, d.Value)
			dst = append(dst, '}')
		}
		dst = append(dst, `]}`...)
	}
	if s.VerificationCode != "" {
		dst = append(dst, `,"VerificationCode":{"Code":`...)
		dst = quote(dst, s.VerificationCode)
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

// appendGeofencing writes a location, or why there is none. The accuracy is a
// whole number in a string, which is the type in the contract and what clients
// parse.
func appendGeofencing(dst []byte, g *signum.Geofencing) []byte {
	dst = append(dst, `,"Geofencing":{`...)
	if g.ErrorCode != "" {
		dst = append(dst, `"ErrorCode":`...)
		dst = quote(dst, g.ErrorCode)
		dst = append(dst, `,"ErrorMessage":`...)
		dst = quote(dst, g.ErrorMessage)
		return append(dst, '}')
	}
	dst = append(dst, `"Accuracy":"`...)
	dst = strconv.AppendInt(dst, int64(g.Accuracy), 10)
	dst = append(dst, `","Country":`...)
	dst = quote(dst, g.Country)
	dst = append(dst, `,"DeviceConfidence":`...)
	dst = quote(dst, g.DeviceConfidence)
	dst = append(dst, `,"LocationConfidence":`...)
	dst = quote(dst, g.LocationConfidence)
	dst = append(dst, `,"Timestamp":`...)
	dst = quote(dst, g.Timestamp)
	return append(dst, '}')
}

// AppendFault implements edge.Wire. A fault without a detail gets the detail
// that is documented for its code.
func (Wire) AppendFault(dst []byte, _ edge.Form, flt *signum.Fault) []byte {
	if flt == nil {
		flt = signum.NewFault(signum.InternalError)
	}
	dst = append(dst, `{"Fault":{"Code":{"SubCode":{"Value":"_`...)
	dst = strconv.AppendInt(dst, int64(flt.Code), 10)
	dst = append(dst, `","ValueNs":"`+nsMSS+`"},"Value":"`...)
	if flt.Code.Sender() {
		dst = append(dst, "Sender"...)
	} else {
		dst = append(dst, "Receiver"...)
	}
	dst = append(dst, `","ValueNs":"`+nsSOAP+`"},"Detail":`...)
	detail := flt.Detail
	if detail == "" {
		detail = flt.Code.Detail()
	}
	dst = quote(dst, detail)
	dst = append(dst, `,"Reason":`...)
	dst = quote(dst, flt.Code.String())
	return append(dst, `}}`...)
}

// quote appends a JSON string. It escapes only what must be escaped: slashes,
// plus signs and characters beyond ASCII stay as they are. Invalid UTF-8
// becomes U+FFFD.
func quote(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		b := s[i]
		if b >= ' ' && b != '"' && b != '\\' && b < utf8.RuneSelf {
			i++
			continue
		}
		if b >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
		}
		dst = append(dst, s[start:i]...)
		switch {
		case b >= utf8.RuneSelf:
			dst = utf8.AppendRune(dst, utf8.RuneError)
		case b == '"' || b == '\\':
			dst = append(dst, '\\', b)
		case b == '\n':
			dst = append(dst, `\n`...)
		case b == '\r':
			dst = append(dst, `\r`...)
		case b == '\t':
			dst = append(dst, `\t`...)
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[b>>4], hex[b&15])
		}
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
