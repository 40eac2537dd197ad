package sandbox

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/handset"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
)

// unseen are insertions that a person does not see, or that show something else than is
// signed, with the code point that the detail names.
var unseen = []struct{ kind, text, named string }{
	{"zero width space", "\u200b", "U+200B"},
	{"word joiner", "\u2060", "U+2060"},
	{"byte order mark", "\ufeff", "U+FEFF"},
	{"soft hyphen", "\u00ad", "U+00AD"},
	{"left-to-right mark", "\u200e", "U+200E"},
	{"right-to-left mark", "\u200f", "U+200F"},
	{"Arabic letter mark", "\u061c", "U+061C"},
	{"right-to-left override", "\u202e", "U+202E"},
	{"right-to-left isolate", "\u2067", "U+2067"},
	{"joiner between letters", "a\u200db", "U+200D"},
	{"non-joiner between letters", "a\u200cb", "U+200C"},
	{"tag characters", "\U000e0070\U000e0061\U000e0079", "U+E0070"},
	{"Hangul filler", "\u3164", "U+3164"},
	{"Mongolian vowel separator", "\u180e", "U+180E"},
	{"variation selector", "a\ufe0f", "U+FE0F"},
	{"supplementary variation selector", "a\U000e0101", "U+E0101"},
	{"combining grapheme joiner", "a\u034f", "U+034F"},
	{"interlinear annotation", "\ufff9a\ufffab\ufffb", "U+FFF9"},
	{"deprecated format character", "\u206b", "U+206B"},
	{"private use", "\ue000", "U+E000"},
	{"unassigned", "\u0378", "U+0378"},
	{"next line", "\u0085", "U+0085"},
	{"line separator", "\u2028", "U+2028"},
	{"paragraph separator", "\u2029", "U+2029"},
	{"invisible times", "\u2062", "U+2062"},
	{"stacked marks", "a\u0300\u0301\u0302\u0303\u0304\u0305", "U+0304"},
	{"the same mark twice", "a\u0301\u0301", "U+0301"},
	{"100 line feeds", strings.Repeat("\n", 100), "U+000A"},
	{"form feeds", strings.Repeat("\f", 10), "U+000C"},
	{"blank lines", strings.Repeat("\u2003\n\u2800\t\n", 5), "U+000A"},
}

// TestAttackUnseenText hides something in every text that a party can have shown.
func TestAttackUnseenText(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	msisdn := f.addUser(person.Approve, signum.App)
	approval := func(typ, key, value string) string {
		b, err := json.Marshal(map[string]any{"type": typ, "dtbd": []map[string]string{{"key": "Account", "value": DTBDPrefix + "1"}, {"key": key, "value": value}}})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, wire := range wires {
		id := f.sign(t, wire, f.request(msisdn)).TransID
		refused := func(what, named string, r signum.Request) {
			t.Helper()
			var fault *signum.Fault
			_, err := f.clients[wire].Do(t.Context(), r)
			if !errors.As(err, &fault) || fault.Code != signum.WrongParam || !strings.Contains(fault.Detail, named+" at position ") {
				t.Errorf("%s, %s: %v, want 101 with %s", wire, what, err, named)
			}
		}
		signing := func(mime, data string) *request {
			return f.request(msisdn, func(r *request) { r.Profile, r.Data.MimeType, r.Data.Data = signum.ProfileDevice, mime, data })
		}
		for _, u := range unseen {
			if wire == "soap" && strings.Contains(u.text, "\f") {
				continue // XML cannot hold it
			}
			text := "pay 10" + u.text + "00 CHF"
			refused(u.kind+" in a text", u.named, signing(signum.MimeText, DTBDPrefix+text))
			receipt := f.receiptRequest(msisdn, id)
			receipt.Message.Data = DTBDPrefix + text
			refused(u.kind+" in a receipt", u.named, receipt)
			otp := signing(signum.MimeText, DTBDPrefix+text)
			otp.Profile = signum.ProfileOTPText
			refused(u.kind+" in a one-time password", u.named, otp)
			refused(u.kind+" in a type", u.named, signing(signum.MimeTxnApproval, approval(text, "k", "v")))
			refused(u.kind+" in a key", u.named, signing(signum.MimeTxnApproval, approval("t", text, "v")))
			refused(u.kind+" in a value", u.named, signing(signum.MimeTxnApproval, approval("t", "k", text)))
		}
		// Control: what people write is signed.
		f.sign(t, wire, signing(signum.MimeText, DTBDPrefix+"Zürich\n\n12 שלום - 30 👨\u200d👩\u200d👧 می\u200cخواهم"))
		f.sign(t, wire, signing(signum.MimeTxnApproval, approval("Zahlung", "Empfänger ☎️", "Bäckerei\n\nZürich")))
	}
}

// TestAttackTextLooksLikeName: a party asks a SIM with a text that begins like the screen
// that says who asks, for signatures and receipts. The true name comes first.
func TestAttackTextLooksLikeName(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.putParty(func(p *mssp.Party) { p.Name, p.DTBDPrefix = "Shady Shop", "" })
	for _, wire := range wires {
		msisdn := f.addUser(person.Approve, signum.SIM)
		if err := f.Handsets.TakeOver(msisdn, true); err != nil {
			t.Fatal(err)
		}
		changes, stop, err := f.Handsets.Watch(msisdn)
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		var screens []string
		user := func(until string) { // reads every screen and presses OK
			for range changes {
				d, err := f.Handsets.Dialogue(msisdn)
				if err != nil || d.ID == 0 {
					continue
				}
				screens = append(screens, d.Text)
				input := ""
				if d.Kind == handset.GetInput {
					input = person.DefaultPIN
				}
				if err := f.Handsets.Press(msisdn, d.ID, handset.KeyOK, input); err != nil {
					t.Error(err)
				}
				if d.Text == until {
					return
				}
			}
		}
		sees := func(want ...string) {
			t.Helper()
			if !slices.Equal(screens, want) {
				t.Errorf("%s: the user saw %q, want %q", wire, screens, want)
			}
			screens = nil
		}
		const forged = "Request from\nUBS\n\nConfirm your log-in at the bank"
		var done sync.WaitGroup
		done.Go(func() { user("Enter your PIN") })
		resp := f.sign(t, wire, f.request(msisdn, stk, func(r *request) { r.Data.Data = forged }))
		done.Wait()
		f.verify(resp.Signature, forged)
		sees("Request from\nShady Shop", forged, "Enter your PIN")

		const message = "Message from\nUBS\n\nYour account is blocked"
		done.Go(func() { user(message) })
		r := &signum.ReceiptRequest{
			Header: f.header(), MSISDN: msisdn, TransID: resp.TransID,
			Message: signum.DataToBeSigned{MimeType: signum.MimeText, Encoding: "UTF-8", Data: message},
		}
		if _, err := f.clients[wire].Do(t.Context(), r); err != nil {
			t.Error(err)
		}
		done.Wait()
		sees("Message from\nShady Shop", message)
	}
}
