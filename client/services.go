package client

import "github.com/signum-mssp/signum"

// services lists the additional services that the request asks for.
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

// Location finds in the Services of an answer where the phone was. It returns nil
// if the service did not say. If the result has an ErrorCode, the location is not
// known.
func Location(services []signum.ServiceResponse) *signum.Geofencing {
	for _, s := range services {
		if s.Geofencing != nil {
			return s.Geofencing
		}
	}
	return nil
}

// AuthURI finds in the Services of the first answer to an App2App request the
// address that the party's app must open. The result is empty if there is none.
func AuthURI(services []signum.ServiceResponse) string {
	for _, s := range services {
		if s.AuthURI != "" {
			return s.AuthURI
		}
	}
	return ""
}

// VerificationCode finds in the Services of the first answer the code, two digits,
// that the party's page must show so that the user can choose it on the phone. The
// result is empty if the request did not ask for one.
func VerificationCode(services []signum.ServiceResponse) string {
	for _, s := range services {
		if s.VerificationCode != "" {
			return s.VerificationCode
		}
	}
	return ""
}

// detailMCCMNC is the ID of the row of subscriberInfo that holds the network.
const detailMCCMNC = "1901"

// MCCMNC finds in the Services of an answer the mobile country code and network
// code of the user's SIM, such as 22801. The result is empty if the service did
// not say, and 00000 if it does not know.
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
