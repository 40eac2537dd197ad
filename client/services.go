package client

import "github.com/signum-mssp/signum"

// services are the additional services that a request asks for.
func (r *SignRequest) services() []signum.AdditionalService {
	all := []signum.AdditionalService{{URI: signum.ServiceUserLang, UserLang: r.Lang}}
	if r.Locate || r.Geofencing != nil {
		all = append(all, signum.AdditionalService{URI: signum.ServiceGeofencing, Geofencing: r.Geofencing})
	}
	if r.App2App != "" {
		all = append(all, signum.AdditionalService{URI: signum.ServiceApp2App, RedirectURI: r.App2App})
	}
	if r.VerificationCode {
		all = append(all, signum.AdditionalService{URI: signum.ServiceVerification})
	}
	if r.SubscriberInfo {
		all = append(all, signum.AdditionalService{URI: signum.ServiceSubscriberInfo})
	}
	if r.Validate {
		all = append(all, signum.AdditionalService{URI: signum.ServiceValidate})
	}
	return append(all, r.Services...)
}

// Location is where the phone was, from the Services of an answer; nil if the
// service did not say. With an ErrorCode there is no location.
func Location(services []signum.ServiceResponse) *signum.Geofencing {
	for _, s := range services {
		if s.Geofencing != nil {
			return s.Geofencing
		}
	}
	return nil
}

// AuthURI is what the party's app must open for the user to be asked, from the
// Services of the first answer to an App2App request; empty if there is none.
func AuthURI(services []signum.ServiceResponse) string {
	for _, s := range services {
		if s.AuthURI != "" {
			return s.AuthURI
		}
	}
	return ""
}

// VerificationCode is what the party's page must show for the user to choose it
// on the phone, from the Services of the first answer to a request with
// VerificationCode; empty if there is none.
func VerificationCode(services []signum.ServiceResponse) string {
	for _, s := range services {
		if s.VerificationCode != "" {
			return s.VerificationCode
		}
	}
	return ""
}

// detailMCCMNC is the row of subscriberInfo with the network.
const detailMCCMNC = "1901"

// MCCMNC is the mobile country code and network code of the user's SIM, such as
// 22801, from the Services of an answer; empty if the service did not say.
func MCCMNC(services []signum.ServiceResponse) string {
	for _, s := range services {
		for _, d := range s.Details {
			if d.ID == detailMCCMNC {
				return d.Value
			}
		}
	}
	return ""
}
