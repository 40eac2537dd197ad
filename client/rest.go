package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/signum-mssp/signum"
)

var restWire = wire{
	paths: map[signum.Operation]string{
		signum.OpSignature: "/rest/service/sign",
		signum.OpStatus:    "/rest/service/status",
		signum.OpReceipt:   "/rest/service/receipt",
		signum.OpProfile:   "/rest/service/profile",
	},
	contentType: "application/json;charset=utf-8",
	accept:      "application/json",
	answers:     []string{"application/json"},
	encode:      encodeREST,
	decode:      decodeREST,
}

// The JSON of requests; answers share parts of it. Pointers and omitempty leave out
// empty fields.
type (
	jsonRequest struct {
		SignatureReq *jsonSignatureReq `json:"MSS_SignatureReq,omitempty"`
		StatusReq    *jsonStatusReq    `json:"MSS_StatusReq,omitempty"`
		ReceiptReq   *jsonReceiptReq   `json:"MSS_ReceiptReq,omitempty"`
		ProfileReq   *jsonProfileReq   `json:"MSS_ProfileReq,omitempty"`
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
	jsonReceiptReq struct {
		jsonHeader
		TransID    text              `json:"MSSP_TransID,omitempty"`
		MobileUser *jsonMobileUser   `json:"MobileUser,omitempty"`
		Status     jsonReceiptStatus `json:"Status"`
		Message    *jsonData         `json:"Message,omitempty"`
	}
	jsonReceiptStatus struct {
		StatusCode jsonValue          `json:"StatusCode"`
		Detail     *jsonReceiptDetail `json:"StatusDetail,omitempty"`
	}
	jsonReceiptDetail struct {
		Extension struct {
			MessagingMode text                `json:"ReceiptMessagingMode,omitempty"`
			Profile       *jsonReceiptProfile `json:"ReceiptProfile,omitempty"`
			UserAck       text                `json:"UserAck,omitempty"`
		} `json:"ReceiptRequestExtension"`
	}
	jsonReceiptProfile struct {
		Language text `json:"Language,omitempty"`
		URI      text `json:"ReceiptProfileURI,omitempty"`
	}
	jsonProfileReq struct {
		jsonHeader
		MobileUser *jsonMobileUser `json:"MobileUser,omitempty"`
		Params     text            `json:"Params,omitempty"`
	}
)

// text is a scalar. The contract makes all of them strings, but services write numbers
// too. Anything else is kept as JSON, so that an unexpected detail does not hide a
// fault.
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
	var e jsonRequest
	switch r := req.(type) {
	case *signum.SignatureRequest:
		if !utf8.ValidString(r.Data.Data) {
			// The encoder would replace what it cannot write, and the user would sign
			// a different text.
			return nil, errors.New("the data to be signed is not UTF-8")
		}
		e.SignatureReq = restSignatureReq(r)
	case *signum.StatusRequest:
		e.StatusReq = &jsonStatusReq{jsonHeader: restHeader(r.Header), TransID: text(r.TransID)}
	case *signum.ReceiptRequest:
		if !utf8.ValidString(r.Message.Data) {
			return nil, errors.New("the message is not UTF-8")
		}
		e.ReceiptReq = restReceiptReq(r)
	case *signum.ProfileRequest:
		if r.Getters != (signum.ProfileGetters{}) {
			return nil, errors.New("getters have no REST form; Params asks the same")
		}
		e.ProfileReq = &jsonProfileReq{
			jsonHeader: restHeader(r.Header), MobileUser: restUser(r.MSISDN), Params: text(r.Params),
		}
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
		MobileUser:    restUser(r.MSISDN),
		Data:          restData(r.Data),
		Services:      []jsonService{}, // required by the contract, also when empty
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

// restReceiptReq writes a receipt, with the Status that the contract requires: only
// a success has a receipt.
func restReceiptReq(r *signum.ReceiptRequest) *jsonReceiptReq {
	j := &jsonReceiptReq{
		jsonHeader: restHeader(r.Header),
		TransID:    text(r.TransID),
		MobileUser: restUser(r.MSISDN),
		Status:     jsonReceiptStatus{StatusCode: jsonValue{Value: receiptStatus}},
		Message:    restData(r.Message),
	}
	if e := r.Extension; e != nil {
		d := &jsonReceiptDetail{}
		d.Extension.MessagingMode, d.Extension.UserAck = text(e.MessagingMode), text(e.UserAck)
		if e.Language != "" || e.ProfileURI != "" {
			d.Extension.Profile = &jsonReceiptProfile{Language: text(e.Language), URI: text(e.ProfileURI)}
		}
		j.Status.Detail = d
	}
	return j
}

func restUser(msisdn string) *jsonMobileUser {
	if msisdn == "" {
		return nil
	}
	return &jsonMobileUser{MSISDN: text(msisdn)}
}

func restData(d signum.DataToBeSigned) *jsonData {
	if d == (signum.DataToBeSigned{}) {
		return nil
	}
	return &jsonData{MimeType: text(d.MimeType), Encoding: text(d.Encoding), Data: text(d.Data)}
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
