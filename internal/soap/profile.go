package soap

import (
	"encoding/base64"
	"encoding/xml"
	"strconv"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/edge"
)

// profile reads MSS_ProfileReq. The schema allows Params to be repeated; their
// words are then taken together. It allows a getter to be repeated too, but
// that could mean two things, so it is refused.
func (p *parser) profile(e xml.StartElement, r *signum.ProfileRequest) error {
	err := attributes(e, func(name, value, _ string) error {
		version(&r.Version, name, value)
		return nil
	})
	if err != nil {
		return err
	}
	var seen once
	return p.children("MSS_ProfileReq", func(e xml.StartElement) error {
		switch name := e.Name.Local; name {
		case "MobileUser":
			if err := seen.see(2, "MobileUser"); err != nil {
				return err
			}
			return p.readOnlyChild("MobileUser", "MSISDN", &r.MSISDN)
		case "Params":
			return p.params(&r.Params)
		case "GetCertificates":
			return p.getter(&r.Getters.Certificates, name)
		case "GetAutoActivation":
			return p.getter(&r.Getters.AutoActivation, name)
		case "GetRecoveryCodeCreated":
			return p.getter(&r.Getters.RecoveryCodeCreated, name)
		case "GetServerSideSignature":
			return p.getter(&r.Getters.ServerSideSignature, name)
		}
		return p.header(e, &r.Header, &seen)
	})
}

func (p *parser) params(dst *string) error {
	var words string
	if err := p.token(&words, "Params"); err != nil {
		return err
	}
	if *dst != "" && words != "" {
		words = *dst + " " + words
	}
	if words != "" {
		*dst = words
	}
	return nil
}

// getter reads an xs:boolean as sent. An empty element counts as true.
func (p *parser) getter(dst *string, name string) error {
	if *dst != "" {
		return signum.Faultf(signum.WrongParam, "%s must not be repeated", name)
	}
	if err := p.token(dst, name); err != nil {
		return err
	}
	if *dst == "" {
		*dst = "true"
	}
	return nil
}

// appendProfile writes MSS_ProfileResp.
func appendProfile(dst []byte, f edge.Form, r *signum.ProfileResponse) []byte {
	dst = openPart(dst, f, signum.OpProfile, "MSS_ProfileResp", r.Version)
	dst = append(dst, ` xmlns:mss="`+nsMSS+`">`...)
	dst = appendHead(dst, &r.Header)
	for _, uri := range r.Profiles {
		dst = appendSignatureProfile(dst, uri)
	}
	dst = appendStatus(dst, r.Status)
	if x := r.Extension; x != nil {
		dst = append(dst, `<mss:StatusDetail><mcs:ProfileQueryExtension xmlns:mcs="`+nsMCS+`" xmlns:ds="`+nsDS+`">`...)
		dst = appendExtension(dst, x)
		dst = append(dst, `</mcs:ProfileQueryExtension></mss:StatusDetail>`...)
	}
	dst = append(dst, `</mss:Status>`...)
	return closePart(dst, f, signum.OpProfile, "MSS_ProfileResp")
}

// appendExtension writes the content of ProfileQueryExtension: the answers to
// the getters, then those to Params.
func appendExtension(dst []byte, x *signum.ProfileExtension) []byte {
	dst = appendCertificates(dst, x.Certificates)
	dst = appendBool(dst, "AutoActivation", x.AutoActivation)
	dst = appendBool(dst, "ServerSideSignature", x.ServerSideSignature)
	dst = appendBool(dst, "RecoveryCodeCreated", x.RecoveryCodeCreated)
	if u := x.User; u != nil {
		dst = append(dst, `<mcs:MobileUser`...)
		if u.RecoveryCodeCreated != nil {
			dst = attribute(dst, "RecoveryCodeCreated", strconv.FormatBool(*u.RecoveryCodeCreated))
		}
		if u.AutoActivation != nil {
			dst = attribute(dst, "AutoActivation", strconv.FormatBool(*u.AutoActivation))
		}
		dst = append(dst, `/>`...)
	}
	if s := x.SSCDs; s != nil {
		dst = append(dst, `<mcs:Sscds>`...)
		if s.SIM != nil {
			dst = appendSSCD(dst, "Sim", s.SIM)
		}
		for i := range s.Apps {
			dst = appendSSCD(dst, "App", &s.Apps[i])
		}
		dst = append(dst, `</mcs:Sscds>`...)
	}
	return dst
}

func appendSSCD(dst []byte, name string, s *signum.SSCD) []byte {
	dst = append(dst, `<mcs:`...)
	dst = append(dst, name...)
	dst = append(dst, '>')
	dst = appendText(dst, "State", string(s.State))
	if s.PINBlocked != nil {
		dst = append(dst, `<mcs:PinStatus blocked="`...)
		dst = strconv.AppendBool(dst, *s.PINBlocked)
		dst = append(dst, `"/>`...)
	}
	dst = appendCertificates(dst, s.Certificates)
	if c := s.Card; c != nil {
		dst = append(dst, `<mcs:CardDetails>`...)
		dst = appendText(dst, "MCC", c.MCC)
		dst = appendText(dst, "MNC", c.MNC)
		dst = appendText(dst, "Network", c.Name)
		dst = append(dst, `</mcs:CardDetails>`...)
	}
	dst = append(dst, `</mcs:`...)
	dst = append(dst, name...)
	return append(dst, '>')
}

// appendCertificates writes one MobileUserCertificate for each certificate,
// with its chain as pairs of certificate and name.
func appendCertificates(dst []byte, list []signum.SSCDCertificate) []byte {
	for i := range list {
		c := &list[i]
		dst = append(dst, `<mcs:MobileUserCertificate`...)
		dst = attribute(dst, "State", string(c.State))
		dst = attribute(dst, "Algorithm", string(c.Algorithm))
		dst = append(dst, '>')
		for i := range c.Chain {
			dst = append(dst, `<ds:X509Certificate>`...)
			dst = base64.StdEncoding.AppendEncode(dst, c.Chain[i].DER)
			dst = append(dst, `</ds:X509Certificate><ds:X509SubjectName>`...)
			dst = escape(dst, c.Chain[i].Subject, false)
			dst = append(dst, `</ds:X509SubjectName>`...)
		}
		dst = append(dst, `</mcs:MobileUserCertificate>`...)
	}
	return dst
}

func appendBool(dst []byte, name string, b *bool) []byte {
	if b == nil {
		return dst
	}
	return appendText(dst, name, strconv.FormatBool(*b))
}

// appendText writes an element of the profile extension that contains text
// only.
func appendText(dst []byte, name, text string) []byte {
	dst = append(dst, `<mcs:`...)
	dst = append(dst, name...)
	dst = append(dst, '>')
	dst = escape(dst, text, false)
	dst = append(dst, `</mcs:`...)
	dst = append(dst, name...)
	return append(dst, '>')
}
