package portal

import (
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/visible"
)

const maxShownText = 90 // characters

// methodView is a device on the overview. Fields whose names end in Key are keys of
// texts.
type methodView struct {
	ID       string
	Method   string
	StateKey string
	Active   bool
	KeyType  string
	Serial   string // of the certificate
	Until    time.Time
	CertKey  string // why the certificate is not good; empty: it is
	Blocked  bool
	Network  string
	Name     string    // of an App
	Seen     time.Time // when an App was last connected; zero: unknown
	Dormant  bool      // a SIM that could be activated
	Signed   bool      // the log-in, so that the user knows which phone it is
	Gone     bool      // there is nothing to remove
}

// methods describes the user's devices.
func (c *call) methods() ([]methodView, error) {
	all := methodsOf(c.account, c.p.Clock.Now())
	for i := range all {
		all[i].Signed = all[i].ID == c.session.device
		if all[i].Method != string(signum.App) {
			continue
		}
		var unreadable *mssp.RowError
		switch a, err := c.p.Store.App(c.r.Context(), all[i].ID); {
		case errors.Is(err, mssp.ErrNotFound), errors.As(err, &unreadable): // the page works without
		case err != nil:
			return nil, err
		default:
			all[i].Name, all[i].Seen = a.Name, a.LastSeen
		}
	}
	return all, nil
}

func methodsOf(s *mssp.Subscriber, now time.Time) []methodView {
	var all []methodView
	for _, d := range s.Devices {
		m := methodView{
			ID: d.ID, Method: string(d.Method), StateKey: "state." + string(d.State), Active: d.State == signum.DeviceActive,
			Blocked: d.PINBlocked, Network: d.Network.Name, Gone: !removable(&d), Dormant: dormant(&d),
		}
		switch d.KeyType {
		case signum.EC:
			m.KeyType = "EC P-256"
		case signum.RSA:
			m.KeyType = "RSA 2048"
		}
		if c := d.Certificate; c != nil {
			m.Serial, m.Until = c.Serial, c.NotAfter
			switch {
			case c.State == mssp.CertificateRevoked:
				m.CertKey = "cert.revoked"
			case !now.Before(c.NotAfter):
				m.CertKey = "cert.expired"
			}
		}
		all = append(all, m)
	}
	return all
}

// removable reports whether a device can be removed or switched off.
func removable(d *mssp.Device) bool {
	return mssp.MethodOf(d.Method).Removable || d.State != signum.DeviceInactive
}

// dormant reports whether a device is a SIM that could be activated.
func dormant(d *mssp.Device) bool {
	return mssp.MethodOf(d.Method).Activated && d.State != signum.DeviceActive
}

// activityRow is a transaction in the list.
type activityRow struct {
	At         time.Time
	Party      string // its name
	Own        bool   // a log-in to the portal
	Method     string // SMS: a one-time password
	Title      string // that the party gave a transaction; empty: none
	Text       string // empty: it must not be shown, nor must Title
	OutcomeKey string
	Kind       string // style: good, bad or open
	Code       int    // for outcomes without their own text
}

// outcomeKeys are the texts of outcomes that have their own.
var outcomeKeys = map[signum.Code]string{
	signum.SignatureMade: "outcome.500", signum.RequestOK: "outcome.100", signum.UserCancel: "outcome.401",
	signum.PINBlocked: "outcome.402", signum.ExpiredTransaction: "outcome.208", signum.OTAError: "outcome.209",
	signum.GeofencingViolation: "outcome.450", signum.RevokedCertificate: "outcome.501",
}

func activityOf(t *mssp.Transaction, portal, party string) activityRow {
	title, text := shortTexts(t)
	row := activityRow{
		At: t.Created, Party: party, Own: t.APID == portal, Method: string(t.Method), Title: title, Text: text,
		OutcomeKey: "outcome.open", Kind: "open",
	}
	if t.OTP() {
		row.Method = "SMS"
	}
	if t.State == mssp.StateOutstanding {
		return row
	}
	row.Kind, row.Code, row.OutcomeKey = "bad", int(t.Outcome.Code), "outcome.other"
	if t.Outcome.Err() == nil {
		row.Kind = "good"
	}
	if key, ok := outcomeKeys[t.Outcome.Code]; ok {
		row.OutcomeKey = key
	}
	switch {
	case t.Outcome.Replaced:
		row.OutcomeKey = "outcome.replaced"
	case t.Outcome.Code == signum.UserCancel && t.Outcome.Detail == signum.DetailReported:
		row.OutcomeKey = "outcome.reported"
	}
	return row
}

// shortTexts are the beginnings of what the phone showed: the title that the party gave
// a transaction, and the text or the rows that were to be signed. Both are empty for a
// one-time password, which is a secret, and for a text that hides something, which an
// older version of the service accepted.
func shortTexts(t *mssp.Transaction) (title, text string) {
	if t.OTP() {
		return "", ""
	}
	text = t.Text
	if t.MimeType == signum.MimeTxnApproval {
		var a struct {
			Type string `json:"type"`
			DTBD []struct{ Key, Value string }
		}
		if json.Unmarshal([]byte(text), &a) == nil {
			var rows []string
			for _, d := range a.DTBD {
				rows = append(rows, d.Key+": "+d.Value)
			}
			title, text = a.Type, strings.Join(rows, " · ")
		}
	}
	if visible.Check(title) != nil || visible.Check(text) != nil {
		return "", ""
	}
	return shortened(title), shortened(text)
}

func shortened(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if utf8.RuneCountInString(text) > maxShownText {
		text = strings.TrimSpace(string([]rune(text)[:maxShownText-1])) + "…"
	}
	return text
}

// grouped formats a code in groups of four.
func grouped(code string) string {
	var b strings.Builder
	for i, r := range code {
		if i > 0 && i%4 == 0 {
			b.WriteByte('-')
		}
		b.WriteRune(r)
	}
	return b.String()
}
