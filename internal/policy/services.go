package policy

import (
	"net/url"
	"slices"
	"strings"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/visible"
)

// maxRedirectURI limits the RedirectUri of app2app, in bytes.
const maxRedirectURI = 2000

// subscribable are the additional services that need a subscription.
var subscribable = []string{
	signum.ServiceValidate, signum.ServiceGeofencing, signum.ServiceApp2App, signum.ServiceSubscriberInfo,
	signum.ServiceVerification,
}

// services reads the additional services. Asking for geofencing without a
// subscription is not a fault: the answer says why there is no location.
func services(p *mssp.Party, asked []signum.AdditionalService, async bool) (Services, error) {
	var out Services
	if len(asked) > signum.MaxServices {
		return out, wrong("More than %d additional services", signum.MaxServices)
	}
	for i := range asked {
		s := &asked[i]
		if slices.ContainsFunc(asked[:i], func(o signum.AdditionalService) bool { return o.URI == s.URI }) {
			return out, wrong("Additional service is asked for twice")
		}
		if s.URI == signum.ServiceUserLang {
			continue // read by language, with the fields
		}
		if !slices.Contains(subscribable, s.URI) {
			return out, wrong("Additional service is unknown")
		}
		if s.URI != signum.ServiceGeofencing && !p.Subscribed(s.URI) {
			return out, mssp.Noted(signum.NewFault(signum.UnauthorizedAccess), "the party has not subscribed to %s", s.URI)
		}
		if err := out.add(s, async); err != nil {
			return out, err
		}
	}
	return out, nil
}

func (out *Services) add(s *signum.AdditionalService, async bool) (err error) {
	switch s.URI {
	case signum.ServiceValidate:
		out.Validate = true
	case signum.ServiceSubscriberInfo:
		out.SubscriberInfo = true
	case signum.ServiceApp2App:
		if !async {
			return wrong("App2App needs the asynchronous messaging mode")
		}
		if !redirectable(s.RedirectURI) {
			return wrong("RedirectUri is not an absolute URI of at most %d bytes", maxRedirectURI)
		}
		out.App2App, out.RedirectURI = true, s.RedirectURI
	case signum.ServiceVerification:
		if !async {
			return wrong("A verification code needs the asynchronous messaging mode")
		}
		out.Verification = true
	case signum.ServiceGeofencing:
		out.Geofencing = true
		if s.Geofencing != nil {
			out.Fence, err = ParseGeofence(s.Geofencing)
		}
	}
	return err
}

// redirectable reports whether the phone may be sent to a URI. The contract allows it to
// be absent; then the phone is not sent anywhere.
func redirectable(s string) bool { return s == "" || Openable(s) }

// runs are the schemes that a browser executes or reads from the machine, instead of
// opening an address or an app.
var runs = []string{"javascript", "data", "vbscript", "blob", "file", "filesystem", "about", "view-source"}

// Openable reports whether a page or a phone may open a URI: it is absolute, and does not
// run in the page that opens it.
func Openable(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.IsAbs() && len(s) <= maxRedirectURI && !slices.Contains(runs, strings.ToLower(u.Scheme)) &&
		!strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || visible.Refused(r) })
}
