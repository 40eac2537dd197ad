package rest

import (
	"encoding/base64"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/signum-mssp/signum"
)

// profile reads MSS_ProfileReq. The getters belong to SOAP, but their meaning
// is clear, so they are accepted here too.
func (d *decoder) profile(r *signum.ProfileRequest) error {
	return d.object("MSS_ProfileReq", func(name []byte) error {
		switch string(name) {
		case "MobileUser":
			return d.user(&r.MSISDN)
		case "Params":
			if d.json.PeekKind() == jsontext.KindBeginArray {
				return d.list(&r.Params, "Params", ' ')
			}
			return d.text(&r.Params, "Params")
		case "GetCertificates":
			return d.text(&r.Getters.Certificates, "GetCertificates")
		case "GetAutoActivation":
			return d.text(&r.Getters.AutoActivation, "GetAutoActivation")
		case "GetRecoveryCodeCreated":
			return d.text(&r.Getters.RecoveryCodeCreated, "GetRecoveryCodeCreated")
		case "GetServerSideSignature":
			return d.text(&r.Getters.ServerSideSignature, "GetServerSideSignature")
		}
		return d.header(&r.Header, name)
	})
}

// appendProfile writes MSS_ProfileResp.
func appendProfile(dst []byte, r *signum.ProfileResponse) []byte {
	dst = append(dst, `{"MSS_ProfileResp":{`...)
	dst = appendHead(dst, &r.Header)
	dst = appendVersion(dst, r.Version)
	dst = append(dst, `,"SignatureProfile":[`...)
	for i, uri := range r.Profiles {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = quote(dst, uri)
	}
	dst = append(dst, ']')
	dst = appendStatusCode(dst, r.Status)
	if r.Extension != nil {
		dst = append(dst, `,"StatusDetail":{"ProfileQueryExtension":`...)
		dst = appendExtension(dst, r.Extension)
		dst = append(dst, '}')
	}
	return appendStatusMessage(dst, r.Status)
}

// appendExtension writes ProfileQueryExtension, with the answers to the getters
// and to Params side by side.
func appendExtension(dst []byte, x *signum.ProfileExtension) []byte {
	o := object{dst: append(dst, '{')}
	o.bool("AutoActivation", x.AutoActivation)
	if x.User != nil {
		u := object{dst: append(o.member("MobileUser"), '{')}
		u.bool("AutoActivation", x.User.AutoActivation)
		u.bool("RecoveryCodeCreated", x.User.RecoveryCodeCreated)
		o.dst = append(u.dst, '}')
	}
	o.certificates(x.Certificates)
	o.bool("RecoveryCodeCreated", x.RecoveryCodeCreated)
	o.bool("ServerSideSignature", x.ServerSideSignature)
	if s := x.SSCDs; s != nil {
		o.dst = append(o.member("Sscds"), `{"App":[`...)
		for i := range s.Apps {
			if i > 0 {
				o.dst = append(o.dst, ',')
			}
			o.dst = appendSSCD(o.dst, &s.Apps[i])
		}
		o.dst = append(o.dst, ']')
		if s.SIM != nil {
			o.dst = appendSSCD(o.member("Sim"), s.SIM)
		}
		o.dst = append(o.dst, '}')
	}
	return append(o.dst, '}')
}

func appendSSCD(dst []byte, s *signum.SSCD) []byte {
	o := object{dst: append(dst, '{')}
	if c := s.Card; c != nil {
		o.dst = append(o.member("CardDetails"), `{"Mcc":`...)
		o.dst = quote(o.dst, c.MCC)
		o.dst = append(o.dst, `,"Mnc":`...)
		o.dst = quote(o.dst, c.MNC)
		o.dst = append(o.dst, `,"Network":`...)
		o.dst = quote(o.dst, c.Name)
		o.dst = append(o.dst, '}')
	}
	o.certificates(s.Certificates)
	if s.PINBlocked != nil {
		o.dst = append(o.member("PinStatus"), `{"Blocked":`...)
		o.dst = strconv.AppendBool(o.dst, *s.PINBlocked)
		o.dst = append(o.dst, '}')
	}
	o.dst = quote(o.member("State"), string(s.State))
	return append(o.dst, '}')
}

// object writes a JSON object of which every member may be absent.
type object struct {
	dst   []byte
	begun bool
}

// member appends the name of the next member. Its value must follow.
func (o *object) member(name string) []byte {
	if o.begun {
		o.dst = append(o.dst, ',')
	}
	o.begun = true
	o.dst = append(o.dst, '"')
	o.dst = append(o.dst, name...)
	return append(o.dst, `":`...)
}

func (o *object) bool(name string, b *bool) {
	if b != nil {
		o.dst = strconv.AppendBool(o.member(name), *b)
	}
}

// certificates appends MobileUserCertificate. A chain is written as two
// parallel lists, certificates and names.
func (o *object) certificates(list []signum.SSCDCertificate) {
	if len(list) == 0 {
		return
	}
	dst := append(o.member("MobileUserCertificate"), '[')
	for i := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		c := &list[i]
		dst = append(dst, `{"Algorithm":`...)
		dst = quote(dst, string(c.Algorithm))
		dst = append(dst, `,"State":`...)
		dst = quote(dst, string(c.State))
		dst = append(dst, `,"X509Certificate":[`...)
		for i := range c.Chain {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, '"')
			dst = base64.StdEncoding.AppendEncode(dst, c.Chain[i].DER)
			dst = append(dst, '"')
		}
		dst = append(dst, `],"X509SubjectName":[`...)
		for i := range c.Chain {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = quote(dst, c.Chain[i].Subject)
		}
		dst = append(dst, `]}`...)
	}
	o.dst = append(dst, ']')
}
