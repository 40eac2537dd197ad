package client

import (
	"encoding/json"
	"fmt"

	"github.com/signum-mssp/signum"
)

// The JSON of answers.
type (
	// jsonAnswer is any answer or fault.
	jsonAnswer struct {
		SignatureResp *jsonResp  `json:"MSS_SignatureResp"`
		StatusResp    *jsonResp  `json:"MSS_StatusResp"`
		ReceiptResp   *jsonResp  `json:"MSS_ReceiptResp"`
		ProfileResp   *jsonResp  `json:"MSS_ProfileResp"`
		Fault         *jsonFault `json:"Fault"`
	}
	// jsonResp is an answer to any operation.
	jsonResp struct {
		jsonHeader
		TransID    text           `json:"MSSP_TransID"`
		MobileUser jsonMobileUser `json:"MobileUser"`
		Signature  *struct {
			Base64 text `json:"Base64Signature"`
		} `json:"MSS_Signature"`
		Profiles list[text]         `json:"SignatureProfile"`
		Services []jsonServiceResp  `json:"ServiceResponses"`
		Status   *jsonStatusAndMore `json:"Status"`
	}
	jsonStatusAndMore struct {
		StatusCode *jsonValue `json:"StatusCode"`
		// Services write the answers of additional services in either place.
		Detail *struct {
			Services []jsonServiceResp `json:"ServiceResponses"`
			Receipt  *jsonReceiptResp  `json:"ReceiptResponseExtension"`
			Profile  *jsonProfileResp  `json:"ProfileQueryExtension"`
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
		VerificationCode *struct {
			Code text `json:"Code"`
		} `json:"VerificationCode"`
	}
	jsonReceiptResp struct {
		ClientAck    text `json:"ClientAck"`
		NetworkAck   text `json:"NetworkAck"`
		UserAck      text `json:"UserAck"`
		UserResponse text `json:"UserResponse"`
		FaultMessage text `json:"FaultMessage"`
	}
	jsonProfileResp struct {
		// Answers to the getters.
		Certificates        list[jsonCertificate] `json:"MobileUserCertificate"`
		AutoActivation      text                  `json:"AutoActivation"`
		ServerSideSignature text                  `json:"ServerSideSignature"`
		RecoveryCodeCreated text                  `json:"RecoveryCodeCreated"`
		// Answers to Params.
		User *struct {
			AutoActivation      text `json:"AutoActivation"`
			RecoveryCodeCreated text `json:"RecoveryCodeCreated"`
		} `json:"MobileUser"`
		SSCDs *struct {
			SIM  *jsonSSCD      `json:"Sim"`
			Apps list[jsonSSCD] `json:"App"`
		} `json:"Sscds"`
	}
	jsonSSCD struct {
		State     text `json:"State"`
		PINStatus struct {
			Blocked text `json:"Blocked"`
		} `json:"PinStatus"`
		Certificates list[jsonCertificate] `json:"MobileUserCertificate"`
		Card         *struct {
			MCC     text `json:"Mcc"`
			MNC     text `json:"Mnc"`
			Network text `json:"Network"`
		} `json:"CardDetails"`
	}
	jsonCertificate struct {
		Algorithm    text       `json:"Algorithm"`
		State        text       `json:"State"`
		Certificates list[text] `json:"X509Certificate"`
		Subjects     list[text] `json:"X509SubjectName"`
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

// list is an array. Some services write an array of one element as that element.
type list[T any] []T

func (l *list[T]) UnmarshalJSON(b []byte) error {
	switch {
	case string(b) == "null":
		return nil
	case b[0] == '[':
		return json.Unmarshal(b, (*[]T)(l))
	}
	var one T
	if err := json.Unmarshal(b, &one); err != nil {
		return err
	}
	*l = list[T]{one}
	return nil
}

func texts(all []text) []string {
	var out []string
	for _, t := range all {
		out = append(out, string(t))
	}
	return out
}

func decodeREST(op signum.Operation, body []byte) (signum.Response, error) {
	var e jsonAnswer
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, err
	}
	if e.Fault != nil {
		return nil, makeFault(string(e.Fault.Code.SubCode.Value), string(e.Fault.Detail), string(e.Fault.Reason))
	}
	r := map[signum.Operation]*jsonResp{
		signum.OpSignature: e.SignatureResp, signum.OpStatus: e.StatusResp,
		signum.OpReceipt: e.ReceiptResp, signum.OpProfile: e.ProfileResp,
	}[op]
	if r == nil {
		return nil, fmt.Errorf("the JSON holds no answer to %s", op)
	}
	return r.message(op)
}

func (r *jsonResp) message(op signum.Operation) (signum.Response, error) {
	if r.Status == nil || r.Status.StatusCode == nil {
		return nil, errStatusMissing
	}
	services := r.Services
	d := r.Status.Detail
	if len(services) == 0 && d != nil {
		services = d.Services
	}
	p := parts{
		header: signum.Header{Version: signum.Version{Major: string(r.Major), Minor: string(r.Minor)}},
		msisdn: string(r.MobileUser.MSISDN), transID: string(r.TransID), profiles: texts(r.Profiles),
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
	if d != nil && op == signum.OpReceipt && d.Receipt != nil {
		p.receipt = d.Receipt.extension(&p.scalars)
	}
	if d != nil && op == signum.OpProfile && d.Profile != nil {
		p.profile = d.Profile.extension(&p.scalars)
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
	if s.VerificationCode != nil {
		r.VerificationCode = string(s.VerificationCode.Code)
	}
	return r, nil
}

func (j *jsonReceiptResp) extension(s *scalars) *signum.ReceiptResponseExtension {
	return &signum.ReceiptResponseExtension{
		ClientAck:    s.flag("ClientAck", string(j.ClientAck)),
		NetworkAck:   s.flag("NetworkAck", string(j.NetworkAck)),
		UserAck:      s.flag("UserAck", string(j.UserAck)),
		UserResponse: string(j.UserResponse), FaultMessage: string(j.FaultMessage),
	}
}

func (j *jsonProfileResp) extension(s *scalars) *signum.ProfileExtension {
	e := &signum.ProfileExtension{
		Certificates:        restCertificates(s, j.Certificates),
		AutoActivation:      s.boolean("AutoActivation", string(j.AutoActivation)),
		ServerSideSignature: s.boolean("ServerSideSignature", string(j.ServerSideSignature)),
		RecoveryCodeCreated: s.boolean("RecoveryCodeCreated", string(j.RecoveryCodeCreated)),
	}
	if u := j.User; u != nil {
		e.User = &signum.ProfileUser{
			AutoActivation:      s.boolean("AutoActivation", string(u.AutoActivation)),
			RecoveryCodeCreated: s.boolean("RecoveryCodeCreated", string(u.RecoveryCodeCreated)),
		}
	}
	if all := j.SSCDs; all != nil {
		e.SSCDs = &signum.SSCDs{}
		if all.SIM != nil {
			sim := all.SIM.device(s)
			e.SSCDs.SIM = &sim
		}
		for i := range all.Apps {
			e.SSCDs.Apps = append(e.SSCDs.Apps, all.Apps[i].device(s))
		}
	}
	return e
}

func (j *jsonSSCD) device(s *scalars) signum.SSCD {
	d := signum.SSCD{
		State:        signum.DeviceState(j.State),
		PINBlocked:   s.boolean("PinStatus.Blocked", string(j.PINStatus.Blocked)),
		Certificates: restCertificates(s, j.Certificates),
	}
	if c := j.Card; c != nil {
		d.Card = &signum.Network{MCC: string(c.MCC), MNC: string(c.MNC), Name: string(c.Network)}
	}
	return d
}

func restCertificates(s *scalars, all []jsonCertificate) []signum.SSCDCertificate {
	var out []signum.SSCDCertificate
	for _, c := range all {
		out = append(out, signum.SSCDCertificate{
			Algorithm: signum.KeyType(c.Algorithm), State: signum.DeviceState(c.State),
			Chain: s.chain(texts(c.Certificates), texts(c.Subjects)),
		})
	}
	return out
}
