package policy

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/visible"
)

// Content is the text to be signed, and the services that the request asks for.
type Content struct {
	Profile  string // as it applies to the party
	MimeType string
	Text     string // to display; the compact form of a transaction approval
	Services Services
}

// Services are the additional services of a request, without userLang.
type Services struct {
	Validate       bool
	SubscriberInfo bool
	App2App        bool
	RedirectURI    string
	Verification   bool
	Geofencing     bool
	Fence          *mssp.Geofence // sent with the request; nil: none
}

// Interactive reports whether a service needs a phone that can do more than
// show a text: be opened by a link, or offer a choice.
func (s *Services) Interactive() bool { return s.App2App || s.Verification }

// SignatureContent checks what is to be signed and how, in this order: profile
// (109), text to display and type of the text (101), prefix (107), length (103),
// additional services (101, 104).
func SignatureContent(p *mssp.Party, r *signum.SignatureRequest, async bool) (Content, error) {
	c := Content{Profile: p.Resolve(r.Profile), MimeType: signum.MimeText, Text: r.Data.Data}
	if err := authorised(p, r.Profile, c.Profile); err != nil {
		return c, err
	}
	if err := displayed(r); err != nil {
		return c, err
	}
	err := c.data(p, &r.Data)
	if err == nil {
		c.Services, err = services(p, r.Services, async)
	}
	if err == nil && signum.IsOTP(c.Profile) && (c.Services.Interactive() || c.Services.Geofencing) {
		err = wrong("Additional service cannot be combined with a one-time password")
	}
	return c, err
}

func authorised(p *mssp.Party, sent, profile string) error {
	why := ""
	switch spec := mssp.ProfileOf(profile); {
	case spec == nil:
		why = "unknown profile"
	case !p.Authorised(sent):
		why = "the party is not authorised for the profile"
	case spec.Located && !p.Subscribed(signum.ServiceGeofencing):
		why = "the party has not subscribed to geofencing, which the profile needs"
	default:
		return nil
	}
	return mssp.Noted(signum.NewFault(signum.UnsupportedProfile), "%s: %.100q", why, sent)
}

// displayed checks what the phone is to show: nothing else than what it signs.
func displayed(r *signum.SignatureRequest) error {
	if strings.TrimSpace(r.Displayed) == "" || r.Displayed == r.Data.Data {
		return nil
	}
	return wrong("DataToBeDisplayed must be absent, empty or equal to DataToBeSigned: the phone shows what it signs")
}

// data checks the data to be signed.
func (c *Content) data(p *mssp.Party, d *signum.DataToBeSigned) error {
	switch mime := mimeType(d.MimeType); mime {
	case signum.MimeText:
		return text(d, p.DTBDPrefix)
	case signum.MimeTxnApproval:
		c.MimeType = mime
		return c.approval(p, d)
	}
	return wrong("MimeType is not supported")
}

// mimeType is the type without parameters, in lower case.
func mimeType(sent string) string {
	mime, _, _ := strings.Cut(sent, ";")
	if mime = strings.ToLower(strings.TrimSpace(mime)); mime == "" {
		return signum.MimeText
	}
	return mime
}

func text(d *signum.DataToBeSigned, prefix string) error {
	if d.Encoding != "" && !strings.EqualFold(d.Encoding, "UTF-8") {
		return wrong("Encoding of text/plain is not UTF-8")
	}
	if err := visible.Check(d.Data); err != nil {
		return wrong("DataToBeSigned has %v", err)
	}
	if err := prefixed(d.Data, prefix); err != nil {
		return err
	}
	if ok, length, limit := signum.TextFits(d.Data); !ok {
		return mssp.Noted(signum.NewFault(signum.WrongDataLength), "the length of the text is %d, the limit %d", length, limit)
	}
	return nil
}

// prefixed checks how a text begins. The note does not repeat the text, which is the
// user's business.
func prefixed(text, prefix string) error {
	if strings.HasPrefix(text, prefix) {
		return nil
	}
	same, want := 0, []rune(prefix)
	for _, r := range text {
		if same == len(want) || r != want[same] {
			break
		}
		same++
	}
	return mssp.Noted(signum.NewFault(signum.InappropriateData),
		"the text must begin with %.100q, but only the first %d of these %d characters agree", prefix, same, len(want))
}

// approval reads a transaction approval. Some clients escape the payload once
// too often; that form is accepted too. The limits (103) are checked after the
// prefix (107), as for a text.
func (c *Content) approval(p *mssp.Party, d *signum.DataToBeSigned) error {
	if d.Encoding != "" && !strings.EqualFold(d.Encoding, "UTF-8") {
		return wrong("Encoding of a transaction approval is not UTF-8")
	}
	t, err := signum.ParseTxnApproval(d.Data)
	if err != nil {
		var again error
		if t, again = signum.ParseTxnApproval(unescape(d.Data)); again != nil {
			return wrong("INVALID_TXNAPPROVAL_PAYLOAD: %s", printable(err.Error()))
		}
	}
	if err := approvalVisible(t); err != nil {
		return err
	}
	if err := prefixed(t.Rows[0].Value, p.DTBDPrefix); err != nil {
		return err
	}
	if !t.Fits() {
		return signum.NewFault(signum.WrongDataLength)
	}
	c.Text = t.String()
	return nil
}

// approvalVisible checks the texts of a transaction approval one by one, because a
// phone shows each at a place of its own.
func approvalVisible(t *signum.TxnApproval) error {
	if err := visible.Check(t.Type); err != nil {
		return wrong("INVALID_TXNAPPROVAL_PAYLOAD: the type has %v", err)
	}
	for i, r := range t.Rows {
		if err := visible.Check(r.Key); err != nil {
			return wrong("INVALID_TXNAPPROVAL_PAYLOAD: key %d has %v", i+1, err)
		}
		if err := visible.Check(r.Value); err != nil {
			return wrong("INVALID_TXNAPPROVAL_PAYLOAD: value %d has %v", i+1, err)
		}
	}
	return nil
}

var unescaper = strings.NewReplacer(`\"`, `"`, `\\`, `\`, `\/`, `/`, `\n`, "\n", `\r`, "\r", `\t`, "\t")

func unescape(s string) string { return unescaper.Replace(s) }

// printable shortens and cleans the part of a request that is repeated in a
// fault.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != utf8.RuneError {
			return r
		}
		return '?'
	}, s)
	const most = 120
	if r := []rune(s); len(r) > most {
		return string(r[:most])
	}
	return s
}
