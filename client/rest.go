package client

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/signum-mssp/signum"
)

var restWire = wire{
	paths: map[signum.Operation]string{
		signum.OpSignature: "/rest/service/sign",
		signum.OpStatus:    "/rest/service/status",
	},
	contentType: "application/json;charset=utf-8",
	accept:      "application/json",
	answers:     []string{"application/json"},
	encode:      encodeREST,
	decode:      decodeREST,
}

// The JSON of both directions. Pointers and omitempty leave out what a request
// leaves empty.
type (
	jsonEnvelope struct {
		SignatureReq  *jsonSignatureReq `json:"MSS_SignatureReq,omitempty"`
		StatusReq     *jsonStatusReq    `json:"MSS_StatusReq,omitempty"`
		SignatureResp *jsonResp         `json:"MSS_SignatureResp,omitempty"`
		StatusResp    *jsonResp         `json:"MSS_StatusResp,omitempty"`
		Fault         *jsonFault        `json:"Fault,omitempty"`
	}
	jsonHeader struct {
		APInfo   *jsonAPInfo   `json:"AP_Info,omitempty"`
		MSSPInfo *jsonMSSPInfo `json:"MSSP_Info,omitempty"`
		Major    text          `json:"MajorVersion,omitempty"`
		Minor    text          `json:"MinorVersion,omitempty"`
	}
	jsonAPInfo struct {
		ID       text `json:"AP_ID,omitempty"`
		Password text `json:"AP_PWD,omitempty"`
		TransID  text `json:"AP_TransID,omitempty"`
		Instant  text `json:"Instant,omitempty"`
	}
	jsonMSSPInfo struct {
		ID struct {
			URI text `json:"URI,omitempty"`
		} `json:"MSSP_ID"`
		Instant text `json:"Instant,omitempty"`
	}
	jsonMobileUser struct {
		MSISDN text `json:"MSISDN"`
	}
	jsonSignatureReq struct {
		jsonHeader
		MobileUser    *jsonMobileUser `json:"MobileUser,omitempty"`
		MessagingMode text            `json:"MessagingMode,omitempty"`
		Profile       text            `json:"SignatureProfile,omitempty"`
		TimeOut       text            `json:"TimeOut,omitempty"`
		Data          *jsonData       `json:"DataToBeSigned,omitempty"`
		Services      []jsonService   `json:"AdditionalServices"`
	}
	jsonData struct {
		MimeType text `json:"MimeType,omitempty"`
		Encoding text `json:"Encoding,omitempty"`
		Data     text `json:"Data"`
	}
	jsonService struct {
		Description text             `json:"Description"`
		UserLang    *jsonValue       `json:"UserLang,omitempty"`
		App2App     *jsonRedirect    `json:"App2App,omitempty"`
		Geofencing  *jsonGeofenceReq `json:"GeoFencingRequest,omitempty"`
	}
	jsonValue struct {
		Value text `json:"Value"`
	}
	jsonRedirect struct {
		RedirectURI text `json:"RedirectUri"`
	}
	jsonGeofenceReq struct {
		CountryWhitelist      text `json:"countrywhitelist,omitempty"`
		CountryBlacklist      text `json:"countryblacklist,omitempty"`
		MinDeviceConfidence   text `json:"mindeviceconfidence,omitempty"`
		MinLocationConfidence text `json:"minlocationconfidence,omitempty"`
		MaxTimestampMinutes   text `json:"maxtimestampminutes,omitempty"`
		MaxAccuracyMeters     text `json:"maxaccuracymeters,omitempty"`
	}
	jsonStatusReq struct {
		jsonHeader
		TransID text `json:"MSSP_TransID,omitempty"`
	}

	// jsonResp is a signature answer or a status answer.
	jsonResp struct {
		jsonHeader
		TransID    text           `json:"MSSP_TransID"`
		MobileUser jsonMobileUser `json:"MobileUser"`
		Signature  *struct {
			Base64 text `json:"Base64Signature"`
		} `json:"MSS_Signature"`
		Profile  text               `json:"SignatureProfile"`
		Services []jsonServiceResp  `json:"ServiceResponses"`
		Status   *jsonStatusAndMore `json:"Status"`
	}
	jsonStatusAndMore struct {
		StatusCode *jsonValue `json:"StatusCode"`
		// Services of additional ones have been seen in both places.
		Detail *struct {
			Services []jsonServiceResp `json:"ServiceResponses"`
		} `json:"StatusDetail"`
	}
	jsonServiceResp struct {
		Description text `json:"Description"`
		Geofencing  *struct {
			Country            text `json:"Country"`
			Accuracy           text `json:"Accuracy"`
			DeviceConfidence   text `json:"DeviceConfidence"`
			LocationConfidence text `json:"LocationConfidence"`
			Timestamp          text `json:"Timestamp"`
			ErrorCode          text `json:"ErrorCode"`
			ErrorMessage       text `json:"ErrorMessage"`
		} `json:"Geofencing"`
		App2App *struct {
			AuthURI text `json:"AuthUri"`
		} `json:"App2App"`
		SubscriberInfo *struct {
			Details []struct {
				ID    text `json:"id"`
				Value text `json:"value"`
			} `json:"Details"`
		} `json:"SubscriberInfo"`
	}
	jsonFault struct {
		Code struct {
			SubCode jsonValue `json:"SubCode"`
			Value   text      `json:"Value"`
		} `json:"Code"`
		Detail text `json:"Detail"`
		Reason text `json:"Reason"`
	}
)

// text is a scalar. The contract writes all of them as strings, services also
// numbers; anything else is kept as its JSON, so that an odd detail does not
// hide a fault.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	switch {
	case string(b) == "null":
		return nil
	case b[0] == '"':
		return json.Unmarshal(b, (*string)(t))
	}
	*t = text(b)
	return nil
}

func encodeREST(req signum.Request) ([]byte, error) {
	var e jsonEnvelope
	switch r := req.(type) {
	case *signum.SignatureRequest:
		if !utf8.ValidString(r.Data.Data) {
			// The encoder would replace what it cannot write, and the user would
			// sign another text.
			return nil, errors.New("the data to be signed is not UTF-8")
		}
		e.SignatureReq = restSignatureReq(r)
	case *signum.StatusRequest:
		e.StatusReq = &jsonStatusReq{jsonHeader: restHeader(r.Header), TransID: text(r.TransID)}
	default:
		return nil, fmt.Errorf("no REST form of %T", req)
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

func restSignatureReq(r *signum.SignatureRequest) *jsonSignatureReq {
	j := &jsonSignatureReq{
		jsonHeader:    restHeader(r.Header),
		MessagingMode: text(r.MessagingMode),
		Profile:       text(r.Profile),
		TimeOut:       text(r.TimeOut),
		Services:      []jsonService{}, // required by the contract, also when empty
	}
	if r.MSISDN != "" {
		j.MobileUser = &jsonMobileUser{MSISDN: text(r.MSISDN)}
	}
	if d := r.Data; d != (signum.DataToBeSigned{}) {
		j.Data = &jsonData{MimeType: text(d.MimeType), Encoding: text(d.Encoding), Data: text(d.Data)}
	}
	for _, s := range r.Services {
		js := jsonService{Description: text(s.URI)}
		if s.UserLang != "" {
			js.UserLang = &jsonValue{Value: text(s.UserLang)}
		}
		if s.RedirectURI != "" {
			js.App2App = &jsonRedirect{RedirectURI: text(s.RedirectURI)}
		}
		if g := s.Geofencing; g != nil {
			js.Geofencing = &jsonGeofenceReq{
				CountryWhitelist: text(g.CountryWhitelist), CountryBlacklist: text(g.CountryBlacklist),
				MinDeviceConfidence: text(g.MinDeviceConfidence), MinLocationConfidence: text(g.MinLocationConfidence),
				MaxTimestampMinutes: text(g.MaxTimestampMinutes), MaxAccuracyMeters: text(g.MaxAccuracyMeters),
			}
		}
		j.Services = append(j.Services, js)
	}
	return j
}

func restHeader(h signum.Header) jsonHeader {
	j := jsonHeader{Major: text(h.Version.Major), Minor: text(h.Version.Minor)}
	if h.AP != (signum.APInfo{}) {
		j.APInfo = &jsonAPInfo{
			ID: text(h.AP.ID), Password: text(h.AP.Password),
			TransID: text(h.AP.TransID), Instant: text(h.AP.Instant),
		}
	}
	if h.MSSP != (signum.MSSPInfo{}) {
		j.MSSPInfo = &jsonMSSPInfo{Instant: text(h.MSSP.Instant)}
		j.MSSPInfo.ID.URI = text(h.MSSP.URI)
	}
	return j
}

func decodeREST(op signum.Operation, body []byte) (signum.Response, error) {
	var e jsonEnvelope
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, err
	}
	switch {
	case e.Fault != nil:
		return nil, makeFault(string(e.Fault.Code.SubCode.Value), string(e.Fault.Detail), string(e.Fault.Reason))
	case op == signum.OpSignature && e.SignatureResp != nil:
		return e.SignatureResp.message(op)
	case op == signum.OpStatus && e.StatusResp != nil:
		return e.StatusResp.message(op)
	}
	return nil, fmt.Errorf("the JSON holds no answer to %s", op)
}

func (r *jsonResp) message(op signum.Operation) (signum.Response, error) {
	if r.Status == nil || r.Status.StatusCode == nil {
		return nil, errStatusMissing
	}
	services := r.Services
	if d := r.Status.Detail; len(services) == 0 && d != nil {
		services = d.Services
	}
	p := parts{
		header: signum.Header{Version: signum.Version{Major: string(r.Major), Minor: string(r.Minor)}},
		msisdn: string(r.MobileUser.MSISDN), transID: string(r.TransID), profile: string(r.Profile),
		status: string(r.Status.StatusCode.Value),
	}
	if a := r.APInfo; a != nil {
		p.header.AP = signum.APInfo{
			ID: string(a.ID), Password: string(a.Password), TransID: string(a.TransID), Instant: string(a.Instant),
		}
	}
	if m := r.MSSPInfo; m != nil {
		p.header.MSSP = signum.MSSPInfo{URI: string(m.ID.URI), Instant: string(m.Instant)}
	}
	if r.Signature != nil {
		p.signature = string(r.Signature.Base64)
	}
	for _, s := range services {
		sr, err := s.response()
		if err != nil {
			return nil, err
		}
		p.services = append(p.services, sr)
	}
	return p.message(op)
}

func (s jsonServiceResp) response() (signum.ServiceResponse, error) {
	r := signum.ServiceResponse{URI: string(s.Description)}
	if g := s.Geofencing; g != nil {
		accuracy, err := parseAccuracy(string(g.Accuracy))
		if err != nil {
			return r, err
		}
		r.Geofencing = &signum.Geofencing{
			Country: string(g.Country), Accuracy: accuracy,
			DeviceConfidence: string(g.DeviceConfidence), LocationConfidence: string(g.LocationConfidence),
			Timestamp: string(g.Timestamp), ErrorCode: string(g.ErrorCode), ErrorMessage: string(g.ErrorMessage),
		}
	}
	if s.App2App != nil {
		r.AuthURI = string(s.App2App.AuthURI)
	}
	if s.SubscriberInfo != nil {
		for _, d := range s.SubscriberInfo.Details {
			r.Details = append(r.Details, signum.SubscriberDetail{ID: string(d.ID), Value: string(d.Value)})
		}
	}
	return r, nil
}

// parts are the fields of an answer as text, before either wire's are checked.
type parts struct {
	header                   signum.Header
	transID, msisdn, profile string
	signature                string // Base64; empty if there is none
	status                   string
	services                 []signum.ServiceResponse
}

var errStatusMissing = errors.New("the status code is missing")

func (p parts) message(op signum.Operation) (signum.Response, error) {
	if p.status == "" {
		return nil, errStatusMissing
	}
	n, err := strconv.ParseUint(strings.TrimSpace(p.status), 10, 16)
	if err != nil || n == 0 {
		return nil, fmt.Errorf("status code %q", p.status)
	}
	status := signum.Code(n)
	var der []byte
	if s := strings.Join(strings.Fields(p.signature), ""); s != "" {
		if der, err = base64.StdEncoding.DecodeString(s); err != nil {
			return nil, fmt.Errorf("the signature: %w", err)
		}
	}
	if op == signum.OpStatus {
		return &signum.StatusResponse{
			Header: p.header, MSISDN: p.msisdn, Signature: der, Status: status, Services: p.services,
		}, nil
	}
	return &signum.SignatureResponse{
		Header: p.header, TransID: p.transID, MSISDN: p.msisdn, Signature: der,
		Profile: p.profile, Status: status, Services: p.services,
	}, nil
}

// makeFault rebuilds a fault from its subcode, _401 or mss:_401.
func makeFault(subcode, detail, reason string) error {
	s := strings.TrimSpace(subcode)
	s = strings.TrimPrefix(s[strings.LastIndexByte(s, ':')+1:], "_")
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return fmt.Errorf("a fault without an MSS code (subcode %q, reason %q)", subcode, reason)
	}
	return &signum.Fault{Code: signum.Code(n), Detail: strings.TrimSpace(detail)}
}

// parseAccuracy reads metres, which some write with a fraction. A location
// that cannot be read is an error: zero would claim it were exact.
func parseAccuracy(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f >= 0 && f < 1<<31) {
		return 0, fmt.Errorf("geofencing accuracy %q", s)
	}
	return int(f), nil
}
