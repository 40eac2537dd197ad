package engine

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/policy"
)

// applyServices records in the transaction what the additional services ask
// for. The AuthURI belongs to app2app; only the hash of its token is stored.
func (e *Engine) applyServices(t *mssp.Transaction, p *mssp.Party, s *mssp.Subscriber, d *mssp.Device, asked *policy.Services) (authURI string, err error) {
	w := &t.Services
	w.Validate = asked.Validate
	if asked.SubscriberInfo {
		w.Subscriber = mccmnc(networkOf(s, d))
	}
	if asked.App2App {
		authURI, w.App2App = e.newSession(s, asked.RedirectURI)
	}
	if asked.Verification {
		w.Verification = newVerification()
	}
	if asked.Geofencing {
		w.Geofencing, w.GeoError, w.Fence = true, policy.GeoErrorOf(p, d, e.cfg.HomeNetwork), asked.Fence
		if p.Geofence.Enabled && w.GeoError != signum.GeoNotAuthorised {
			fence := p.Geofence
			w.PartyFence = &fence
		}
		if w.GeoError != 0 {
			// The outcome is known without asking the phone.
			return "", policy.CheckGeofences(w, &mssp.Location{Error: w.GeoError}, t.Created)
		}
	}
	return authURI, nil
}

// networkOf returns the network of the card that signs or, if the device has no
// card, that of the subscriber's first card.
func networkOf(s *mssp.Subscriber, d *mssp.Device) signum.Network {
	if mssp.MethodOf(d.Method).Card {
		return d.Network.OrUnknown()
	}
	for _, other := range s.Devices {
		if mssp.MethodOf(other.Method).Card {
			return other.Network.OrUnknown()
		}
	}
	return signum.UnknownNetwork
}

func mccmnc(n signum.Network) string { return n.MCC + n.MNC }

// newSession makes the AuthUri: the redirect address, a token that is known
// only to those who have the AuthUri, and an opaque name for the account.
func (e *Engine) newSession(s *mssp.Subscriber, redirect string) (authURI string, a *mssp.App2App) {
	user := opaqueID(s.Serial)
	token := user[:8] + "-" + rand.Text()
	hash := sha256.Sum256([]byte(token))
	// The order is that of the public service. Spaces are %20 instead of +,
	// because not every app decodes forms.
	query := strings.ReplaceAll("mobile_auth_redirect_uri="+url.QueryEscape(redirect)+
		"&session_token="+url.QueryEscape(token)+"&user_id="+url.QueryEscape(user), "+", "%20")
	sep := "?"
	if strings.Contains(e.cfg.AuthURI, "?") {
		sep = "&"
	}
	return e.cfg.AuthURI + sep + query, &mssp.App2App{TokenHash: hex.EncodeToString(hash[:]), RedirectURI: redirect}
}

// opaqueID names an account to others, whichever of its Apps will be opened. An
// account serial always gets the same UUID (RFC 9562, clause 5.8).
func opaqueID(serial string) string {
	b := sha256.Sum256([]byte("signum user_id " + serial))
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// locate completes the location that a phone reported: it adjusts the
// confidence to the current time, and fills in the reason if the phone reported
// nothing.
func locate(w *mssp.ServiceOptions, l *mssp.Location, now time.Time) *mssp.Location {
	switch {
	case !w.Geofencing:
		return nil
	case w.GeoError != 0:
		return &mssp.Location{Error: w.GeoError}
	case l == nil:
		return &mssp.Location{Error: signum.GeoNotReturned}
	case l.Error != 0 && !l.Error.Known():
		return &mssp.Location{Error: signum.GeoUnspecified}
	case l.Error != 0:
		return &mssp.Location{Error: l.Error}
	}
	out := *l
	out.LocationConfidence = policy.Confidence(l, now)
	return &out
}

// answers returns the service responses that come with a signature, geofencing
// first.
func answers(w *mssp.ServiceOptions, l *mssp.Location) []signum.ServiceResponse {
	var list []signum.ServiceResponse
	if w.Geofencing && l != nil {
		list = append(list, signum.ServiceResponse{URI: signum.ServiceGeofencing, Geofencing: geofencing(l)})
	}
	if w.Subscriber != "" {
		list = append(list, signum.ServiceResponse{
			URI: signum.ServiceSubscriberInfo, Details: []signum.SubscriberDetail{{ID: "1901", Value: w.Subscriber}},
		})
	}
	return list
}

func geofencing(l *mssp.Location) *signum.Geofencing {
	if l.Error != 0 {
		return &signum.Geofencing{ErrorCode: fmt.Sprint(int(l.Error)), ErrorMessage: l.Error.String()}
	}
	return &signum.Geofencing{
		Country: l.Country, Accuracy: l.Accuracy, Timestamp: signum.FormatInstant(l.Measured),
		DeviceConfidence: policy.FormatScore(l.DeviceConfidence), LocationConfidence: policy.FormatScore(l.LocationConfidence),
	}
}

// accepted builds the first answer to an asynchronous request.
func accepted(t *mssp.Transaction, authURI string) *result {
	r := &result{Outcome: mssp.Outcome{Code: signum.RequestOK}, status: signum.RequestOK}
	if authURI != "" {
		r.services = append(r.services, signum.ServiceResponse{URI: signum.ServiceApp2App, AuthURI: authURI})
	}
	if v := t.Services.Verification; v != nil {
		r.services = append(r.services, signum.ServiceResponse{URI: signum.ServiceVerification, VerificationCode: v.Code})
	}
	return r
}

// verificationChoices is how many codes the App offers.
const verificationChoices = 3

// newVerification draws distinct codes of two digits, and picks the right one
// among them.
func newVerification() *mssp.Verification {
	var b [8]byte
	v := new(mssp.Verification)
	for len(v.Choices) < verificationChoices {
		rand.Read(b[:])
		if code := fmt.Sprint(10 + binary.BigEndian.Uint64(b[:])%90); !slices.Contains(v.Choices, code) {
			v.Choices = append(v.Choices, code)
		}
	}
	rand.Read(b[:])
	v.Code = v.Choices[binary.BigEndian.Uint64(b[:])%verificationChoices]
	return v
}
