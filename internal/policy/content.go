package policy

import (
	"slices"
	"strings"
	"unicode"

	"github.com/signum-mssp/signum"
)

// Content checks what is to be signed and how: the profile (109), the text's
// prefix (107) and length (103), and the additional services (101, 104), in
// this order.
func Content(p *signum.Party, r *signum.SignatureRequest) *signum.Fault {
	if !slices.Contains(signum.SignatureProfiles, p.Resolve(r.Profile)) || !p.Authorised(r.Profile) {
		return signum.NewFault(signum.UnsupportedProfile)
	}
	if flt := text(p, &r.Data); flt != nil {
		return flt
	}
	return services(p, r.Services)
}

func text(p *signum.Party, d *signum.DataToBeSigned) *signum.Fault {
	mime, _, _ := strings.Cut(d.MimeType, ";")
	if mime = strings.ToLower(strings.TrimSpace(mime)); mime != "" && mime != signum.MimeText {
		return wrong("MimeType is not supported")
	}
	if d.Encoding != "" && !strings.EqualFold(d.Encoding, "UTF-8") {
		return wrong("Encoding of text/plain is not UTF-8")
	}
	if strings.ContainsFunc(d.Data, undisplayable) {
		return wrong("DataToBeSigned has a character that no phone can show")
	}
	if !strings.HasPrefix(d.Data, p.DTBDPrefix) {
		return signum.NewFault(signum.InappropriateData)
	}
	if ok, _, _ := signum.TextFits(d.Data); !ok {
		return signum.NewFault(signum.WrongDataLength)
	}
	return nil
}

// undisplayable characters would let the signed bytes differ from what a
// person saw: controls, and the marks that reorder a line.
func undisplayable(r rune) bool {
	switch {
	case r == '\n' || r == '\r' || r == '\t' || r == '\f':
		return false
	case unicode.IsControl(r), r == unicode.ReplacementChar:
		return true
	}
	return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// subscribable are the additional services that a party must be subscribed to.
var subscribable = []string{
	signum.ServiceValidate, signum.ServiceGeofencing, signum.ServiceApp2App, signum.ServiceSubscriberInfo,
}

func services(p *signum.Party, asked []signum.AdditionalService) *signum.Fault {
	if len(asked) > maxServices {
		return wrong("More than %d additional services", maxServices)
	}
	for i, s := range asked {
		if slices.ContainsFunc(asked[:i], func(o signum.AdditionalService) bool { return o.URI == s.URI }) {
			return wrong("Additional service is asked for twice")
		}
		switch {
		case s.URI == signum.ServiceUserLang:
		case !slices.Contains(subscribable, s.URI):
			return wrong("Additional service is unknown")
		case !slices.Contains(p.Services, s.URI):
			return signum.NewFault(signum.UnauthorizedAccess)
		default:
			return wrong("Additional service is not offered")
		}
	}
	return nil
}
