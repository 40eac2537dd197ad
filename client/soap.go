package client

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"unicode/utf8"

	"github.com/signum-mssp/signum"
)

// The namespaces of a request.
const (
	nsEnvelope = "http://www.w3.org/2003/05/soap-envelope"
	nsService  = "http://uri.etsi.org/TS102204/etsi204-kiuru.wsdl"
	nsMSS      = "http://uri.etsi.org/TS102204/v1.1.2#"
	nsFicom    = "http://mss.ficom.fi/TS102204/v1.0.0#"
	nsAS       = "http://mid.swisscom.ch/TS102204/as/v1.0"
	nsReceipt  = "http://www.swisscom.ch/TS102204/ext/v1.0.0"
)

var soapWire = wire{
	paths: map[signum.Operation]string{
		signum.OpSignature: "/soap/services/MSS_SignaturePort",
		signum.OpStatus:    "/soap/services/MSS_StatusQueryPort",
		signum.OpReceipt:   "/soap/services/MSS_ReceiptPort",
		signum.OpProfile:   "/soap/services/MSS_ProfilePort",
	},
	contentType: "application/soap+xml;charset=utf-8",
	accept:      "application/soap+xml",
	answers:     []string{"application/soap+xml", "text/xml", "application/xml"},
	encode:      encodeSOAP,
	decode:      decodeSOAP,
}

// encodeSOAP writes a SOAP 1.2 envelope in RPC style. As in clients generated from the
// contract, the wrapper is in the namespace of the service, and the part with its
// content in that of the messages.
func encodeSOAP(req signum.Request) ([]byte, error) {
	w := &xmlWriter{}
	w.raw(`<?xml version="1.0" encoding="UTF-8"?>`)
	w.raw(`<soapenv:Envelope xmlns:soapenv="` + nsEnvelope + `"><soapenv:Body>`)
	wrapper := string(req.Operation())
	w.raw("<" + wrapper + ` xmlns="` + nsService + `">`)
	switch r := req.(type) {
	case *signum.SignatureRequest:
		w.signatureReq(r)
	case *signum.StatusRequest:
		w.raw(`<mss:MSS_StatusReq xmlns:mss="` + nsMSS + `"`)
		w.attr("MSSP_TransID", r.TransID)
		w.header(&r.Header)
		w.raw("</mss:MSS_StatusReq>")
	case *signum.ReceiptRequest:
		w.receiptReq(r)
	case *signum.ProfileRequest:
		w.profileReq(r)
	default:
		return nil, fmt.Errorf("no SOAP form of %T", req)
	}
	w.raw("</" + wrapper + "></soapenv:Body></soapenv:Envelope>")
	return w.buf.Bytes(), w.err
}

// xmlWriter appends XML and keeps the first error.
type xmlWriter struct {
	buf bytes.Buffer
	err error
}

func (w *xmlWriter) raw(s string) { w.buf.WriteString(s) }

// escaped writes character data. A character that XML cannot hold is an error: the
// encoder would replace it, and the user would sign a different text.
func (w *xmlWriter) escaped(what, s string) {
	if !utf8.ValidString(s) {
		w.fail(fmt.Errorf("%s is not UTF-8", what))
		return
	}
	for _, r := range s {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == '\uFFFE' || r == '\uFFFF' {
			w.fail(fmt.Errorf("%s holds %U, which XML cannot hold", what, r))
			return
		}
	}
	w.fail(xml.EscapeText(&w.buf, []byte(s)))
}

func (w *xmlWriter) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// attr writes an attribute of the open start tag unless it is empty.
func (w *xmlWriter) attr(name, value string) {
	if value == "" {
		return
	}
	w.raw(" " + name + `="`)
	w.escaped(name, value)
	w.raw(`"`)
}

// element writes <name>text</name>.
func (w *xmlWriter) element(name, text string) {
	w.raw("<" + name + ">")
	w.escaped(name, text)
	w.raw("</" + name + ">")
}

// header ends the start tag of a part with the versions and writes AP_Info and
// MSSP_Info.
func (w *xmlWriter) header(h *signum.Header) {
	w.attr("MajorVersion", h.Version.Major)
	w.attr("MinorVersion", h.Version.Minor)
	w.raw(">")
	if a := h.AP; a != (signum.APInfo{}) {
		w.raw("<mss:AP_Info")
		w.attr("AP_ID", a.ID)
		w.attr("AP_PWD", a.Password)
		w.attr("AP_TransID", a.TransID)
		w.attr("Instant", a.Instant)
		w.raw("/>")
	}
	if m := h.MSSP; m != (signum.MSSPInfo{}) {
		w.raw("<mss:MSSP_Info")
		w.attr("Instant", m.Instant)
		w.raw("><mss:MSSP_ID>")
		if m.URI != "" {
			w.element("mss:URI", m.URI)
		}
		w.raw("</mss:MSSP_ID></mss:MSSP_Info>")
	}
}

func (w *xmlWriter) user(msisdn string) {
	if msisdn == "" {
		return
	}
	w.raw("<mss:MobileUser>")
	w.element("mss:MSISDN", msisdn)
	w.raw("</mss:MobileUser>")
}

func (w *xmlWriter) data(name string, d signum.DataToBeSigned) {
	if d == (signum.DataToBeSigned{}) {
		return
	}
	w.raw("<mss:" + name)
	w.attr("MimeType", d.MimeType)
	w.attr("Encoding", d.Encoding)
	w.raw(">")
	w.escaped(name, d.Data)
	w.raw("</mss:" + name + ">")
}

func (w *xmlWriter) signatureReq(r *signum.SignatureRequest) {
	w.raw(`<mss:MSS_SignatureReq xmlns:mss="` + nsMSS + `"`)
	w.attr("MessagingMode", r.MessagingMode)
	w.attr("TimeOut", r.TimeOut)
	w.header(&r.Header)
	w.user(r.MSISDN)
	w.data("DataToBeSigned", r.Data)
	if r.Profile != "" {
		w.raw("<mss:SignatureProfile>")
		w.element("mss:mssURI", r.Profile)
		w.raw("</mss:SignatureProfile>")
	}
	if len(r.Services) != 0 {
		w.raw("<mss:AdditionalServices>")
		for i := range r.Services {
			w.service(&r.Services[i])
		}
		w.raw("</mss:AdditionalServices>")
	}
	w.raw("</mss:MSS_SignatureReq>")
}

func (w *xmlWriter) service(s *signum.AdditionalService) {
	w.raw("<mss:Service><mss:Description>")
	w.element("mss:mssURI", s.URI)
	w.raw("</mss:Description>")
	if s.UserLang != "" {
		w.raw(`<fi:UserLang xmlns:fi="` + nsFicom + `">`)
		w.escaped("fi:UserLang", s.UserLang)
		w.raw("</fi:UserLang>")
	}
	if s.RedirectURI != "" {
		w.raw(`<mss:App2App><as:RedirectUri xmlns:as="` + nsAS + `">`)
		w.escaped("as:RedirectUri", s.RedirectURI)
		w.raw("</as:RedirectUri></mss:App2App>")
	}
	if g := s.Geofencing; g != nil {
		w.raw("<mss:GeoFencingReq")
		w.attr("countrywhitelist", g.CountryWhitelist)
		w.attr("countryblacklist", g.CountryBlacklist)
		w.attr("mindeviceconfidence", g.MinDeviceConfidence)
		w.attr("minlocationconfidence", g.MinLocationConfidence)
		w.attr("maxtimestampminutes", g.MaxTimestampMinutes)
		w.attr("maxaccuracymeters", g.MaxAccuracyMeters)
		w.raw("/>")
	}
	w.raw("</mss:Service>")
}

func (w *xmlWriter) receiptReq(r *signum.ReceiptRequest) {
	w.raw(`<mss:MSS_ReceiptReq xmlns:mss="` + nsMSS + `"`)
	w.attr("MSSP_TransID", r.TransID)
	w.header(&r.Header)
	w.user(r.MSISDN)
	w.raw(`<mss:Status><mss:StatusCode Value="` + receiptStatus + `"/>`)
	if e := r.Extension; e != nil {
		w.raw(`<mss:StatusDetail><sco:ReceiptRequestExtension xmlns:sco="` + nsReceipt + `"`)
		w.attr("ReceiptMessagingMode", e.MessagingMode)
		w.attr("UserAck", e.UserAck)
		w.raw(">")
		if e.Language != "" || e.ProfileURI != "" {
			w.raw("<sco:ReceiptProfile")
			w.attr("Language", e.Language)
			w.raw(">")
			if e.ProfileURI != "" {
				w.element("sco:ReceiptProfileURI", e.ProfileURI)
			}
			w.raw("</sco:ReceiptProfile>")
		}
		w.raw("</sco:ReceiptRequestExtension></mss:StatusDetail>")
	}
	w.raw("</mss:Status>")
	w.data("Message", r.Message)
	w.raw("</mss:MSS_ReceiptReq>")
}

func (w *xmlWriter) profileReq(r *signum.ProfileRequest) {
	w.raw(`<mss:MSS_ProfileReq xmlns:mss="` + nsMSS + `"`)
	w.header(&r.Header)
	w.user(r.MSISDN)
	for _, e := range []struct{ name, text string }{
		{"mss:GetAutoActivation", r.Getters.AutoActivation}, // in the order of the WSDL
		{"mss:GetServerSideSignature", r.Getters.ServerSideSignature},
		{"mss:GetRecoveryCodeCreated", r.Getters.RecoveryCodeCreated},
		{"mss:GetCertificates", r.Getters.Certificates},
		{"mss:Params", r.Params},
	} {
		if e.text != "" {
			w.element(e.name, e.text)
		}
	}
	w.raw("</mss:MSS_ProfileReq>")
}
