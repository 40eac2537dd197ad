package sim

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/smpp/group"
	"github.com/signum-mssp/signum/internal/sms"
)

// A request to a card has the addresses, the service type and the validity that its SMSC
// wants.
func TestStyleOfRequests(t *testing.T) {
	national, private, store := byte(2), byte(9), smpp.ModeStoreAndForward
	run(t, func(w *world) {
		f := w.card(ecKey)
		r := w.request(f, mssp.OpSign, "1", text)
		w.ask(r)
		pass(time.Second)
		m := w.net.sent[0]
		want := smpp.SubmitSM{
			ServiceType: "OTA", Source: smpp.Address{TON: 3, Addr: "555"}, Dest: smpp.Address{TON: 2, NPI: 9, Addr: f.msisdn[1:]},
			ESMClass: 0x43, ProtocolID: 0x7F, DataCoding: 0xF6, Validity: smpp.RelativeTime(10 * time.Second),
		}
		if !equal(*m, want) {
			t.Errorf("%+v\nwant %+v", m, want)
		}
		if x := w.ch.Trace(f.msisdn); len(x) == 0 || x[0].SMPP.SMSC != "north" {
			t.Errorf("the trace does not name the SMSC: %+v", x)
		}
	}, styled(group.Style{
		ServiceType: "OTA", Source: smpp.Address{TON: 3, Addr: "555"}, TextSource: smpp.Address{TON: 5, Addr: "Signum"},
		DestTON: &national, DestNPI: &private, MaxValidity: 10 * time.Second, NoReceipts: true, Mode: &store,
	}))
}

// With data_coding 0, a text is written in the alphabet of the SMSC, if every character
// is in it and in that of phones. All other texts are UCS-2.
func TestAlphabets(t *testing.T) {
	for _, tt := range []struct {
		alphabet group.Alphabet
		text     string
		coding   byte
		body     string // hexadecimal, of the first part
	}{
		{group.GSM, "Zürich @", 0, "5a7e726963682000"},
		{group.GSM, "5 €", 0, "35201b65"},
		{group.GSM, "François", 8, "004600720061006e00e7006f00690073"},
		{group.Latin1, "Zürich @", 0, "5afc726963682040"},
		{group.Latin1, "[~]", 0, "5b7e5d"}, // two septets each, one octet
		{group.Latin1, "5 €", 8, "0035002020ac"},
		{group.Latin1, "François", 8, "004600720061006e00e7006f00690073"}, // phones have no such character
		{group.Latin1, "Δ", 8, "0394"},
		{group.UCS2, "Zürich @", 8, "005a00fc0072006900630068002000" + "40"},
		{group.Latin1, strings.Repeat("ü", 161), 0, "050003010201" + strings.Repeat("fc", 153)},
		{group.UCS2, strings.Repeat("u", 71), 8, "050003010201" + strings.Repeat("0075", 67)},
	} {
		run(t, func(w *world) {
			if err := w.ch.SendText(ctx, mssp.TextMessage{MSISDN: "+41791234567", Text: tt.text}); err != nil {
				t.Fatal(err)
			}
			m := w.net.texts[0]
			if got := fmt.Sprintf("%x", m.ShortMessage); got != tt.body || m.DataCoding != tt.coding {
				t.Errorf("%v %.10q: data_coding %d, %s", tt.alphabet, tt.text, m.DataCoding, got)
			}
			if m.Source != (smpp.Address{TON: 5, Addr: "Signum"}) || m.ServiceType != "OTP" {
				t.Errorf("from %+v, service type %s", m.Source, m.ServiceType)
			}
		}, styled(group.Style{Alphabet: tt.alphabet, TextSource: smpp.Address{TON: 5, Addr: "Signum"}, ServiceType: "OTP"}))
	}
	for _, a := range []group.Alphabet{group.GSM, group.Latin1, group.UCS2} {
		run(t, func(w *world) {
			if err := w.ch.SendText(ctx, mssp.TextMessage{MSISDN: "+41791234567", Text: "\xff"}); !errors.Is(err, mssp.ErrRefused) {
				t.Errorf("%v: no text: %v", a, err)
			}
		}, styled(group.Style{Alphabet: a}))
	}
}

// FuzzAlphabets: whatever the text and the alphabet, the parts hold the text, and none is
// longer than a phone can take.
func FuzzAlphabets(f *testing.F) {
	for _, s := range []string{"", "Zürich @", "5 €", "François", strings.Repeat("€", 200), "\xff"} {
		for a := range byte(3) {
			f.Add(s, a)
		}
	}
	f.Fuzz(func(t *testing.T, text string, alphabet byte) {
		a := group.Alphabet(alphabet % 3)
		parts, err := splitText(&mssp.TextMessage{Text: text}, a, 1)
		if err != nil {
			return
		}
		var got strings.Builder
		for i := range parts {
			body, err := textBody(&parts[i], a)
			if err != nil {
				t.Fatal(err)
			}
			if len(parts[i].UD) > 140 {
				t.Errorf("a part of %d octets", len(parts[i].UD))
			}
			if parts[i].UDHI {
				body = body[6:]
			}
			if a == group.Latin1 && parts[i].DCS == sms.DCSText {
				for _, b := range body {
					got.WriteRune(rune(b))
				}
				continue
			}
			s, err := sms.DecodeText(parts[i].DCS, body)
			if err != nil {
				t.Fatal(err)
			}
			got.WriteString(s)
		}
		if got.String() != text {
			t.Errorf("%q became %q", text, got.String())
		}
	})
}

// A receipt belongs to the message of the SMSC that it comes from: another SMSC may have
// given the same id, unless the two share their ids.
func TestReceiptOfAnotherSMSC(t *testing.T) {
	for from, want := range map[string]string{"north": "", "twin": "", "south": reasonUnmatched} {
		run(t, func(w *world) {
			f := w.card(ecKey)
			f.deaf = true
			w.ask(w.request(f, mssp.OpSign, "1", text))
			pass(time.Second)
			w.from = from
			r := smpp.Receipt{MessageID: "m1", State: smpp.StateUndeliverable}
			w.deliver(r.Deliver((&group.Style{}).Dest(f.msisdn[1:]), service))
			if e := w.event(); e.Reason != want {
				t.Errorf("from %s: %q, want %q", from, e.Reason, want)
			}
		}, styled(group.Style{}), func(c *Config) {
			c.Cluster = func(smsc string) string {
				return map[string]string{"north": "pair", "twin": "pair"}[smsc]
			}
		})
	}
}
