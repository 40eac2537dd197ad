package smsc_test

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/signum-mssp/signum/internal/lab/smsc"
	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/sms"
)

func septets(t testing.TB, text string) []byte {
	t.Helper()
	b, ok := sms.EncodeGSM7(text)
	if !ok {
		t.Fatalf("%q has no septets", text)
	}
	return b
}

// A phone reads the text that was sent, in every data_coding.
func TestTexts(t *testing.T) {
	ucs2, _ := sms.EncodeUCS2("Grüezi 👋")
	cyrillic, _ := sms.EncodeUCS2("Й")
	tests := []struct {
		name   string
		coding byte
		text   []byte
		dcs    byte
		want   string
	}{
		{"default alphabet", 0, septets(t, "Grüezi {€}"), 0, "Grüezi {€}"},
		{"an @, which is septet 0", 0, septets(t, "a@b@@@@@"), 0, "a@b@@@@@"},
		{"160 septets", 0, septets(t, strings.Repeat("x", 160)), 0, strings.Repeat("x", 160)},
		{"flash", 0x10, septets(t, "now"), 0x10, "now"},
		{"class 1 of group F", 0xf1, septets(t, "now"), 0xf1, "now"},
		{"ASCII", 1, []byte("a_b@c [1]"), 0, "a_b@c [1]"},
		{"Latin-1", 3, []byte("Gr\xfcezi"), 0, "Grüezi"},
		{"Latin-1 with what GSM has not", 3, []byte("\xc1"), 8, "Á"},
		{"UCS-2", 8, ucs2, 8, "Grüezi 👋"},
		{"UCS-2, flash", 0x18, cyrillic, 0x18, "Й"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, smsc.Config{})
				_, err := w.send(&smpp.SubmitSM{
					Source: smpp.Address{TON: 5, Addr: "Signum"}, Dest: smpp.Address{Addr: "0041791234567"}, ESMClass: smpp.ModeTransaction | smpp.ReplyPath,
					DataCoding: tt.coding, ShortMessage: tt.text, TLVs: []smpp.TLV{{Tag: smpp.TagMoreMessages, Value: []byte{1}}},
				})
				if err != nil {
					t.Fatal(err)
				}
				d := w.radio.arrivals()[0]
				raw, err := d.Unpacked()
				if err != nil {
					t.Fatal(err)
				}
				got, err := sms.DecodeText(d.DCS, raw)
				if err != nil || got != tt.want || d.DCS != tt.dcs {
					t.Errorf("%q, DCS %02x, %v; want %q, %02x", got, d.DCS, err, tt.want, tt.dcs)
				}
				if d.msisdn != phoneNumber || d.From.Digits != "Signum" || !d.ReplyPath || !d.MoreMessages || d.UDHI {
					t.Errorf("%s %+v", d.msisdn, d.Deliver)
				}
			})
		})
	}
	t.Run("octets", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, smsc.Config{})
			for _, coding := range []byte{2, 4, 0xf5} {
				want := coding
				if coding < 4 {
					want = 4
				}
				if _, err := w.send(&smpp.SubmitSM{Source: service, Dest: phone, ESMClass: smpp.ModeTransaction, DataCoding: coding, ShortMessage: []byte{0xff, 0}}); err != nil {
					t.Fatal(err)
				}
				got := w.radio.arrivals()
				if d := got[len(got)-1]; d.DCS != want || !bytes.Equal(d.UD, []byte{0xff, 0}) {
					t.Errorf("%02x: %+v", coding, d.Deliver)
				}
			}
		})
	})
}

// The parts of a long text are converted to header, fill bits and packed septets. In
// the other direction, an ESME gets the septets of a phone unpacked.
func TestPartsOfText(t *testing.T) {
	text := strings.Repeat("Der Text ist länger als eine Nachricht. ", 10)
	parts, err := sms.SplitText(text, false, 77)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, smsc.Config{})
		for _, p := range parts {
			unpacked, err := (&sms.Deliver{UDHI: true, DCS: p.DCS, UD: p.UD, Septets: p.Septets}).Unpacked()
			if err != nil {
				t.Fatal(err)
			}
			_, err = w.send(&smpp.SubmitSM{Source: service, Dest: phone, ESMClass: smpp.UDHI | smpp.ModeTransaction, DataCoding: p.DCS, ShortMessage: unpacked})
			if err != nil {
				t.Fatal(err)
			}
			got := w.radio.arrivals()
			if d := got[len(got)-1]; !d.UDHI || !bytes.Equal(d.UD, p.UD) || d.Septets != p.Septets {
				t.Errorf("%X (%d)\nwant %X (%d)", d.UD, d.Septets, p.UD, p.Septets)
			}
			tpdu, err := (&sms.Submit{UDHI: true, ReplyPath: true, To: sms.Address{NPI: 1, Digits: "555"}, DCS: p.DCS, UD: p.UD, Septets: p.Septets}).MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			if err := w.smsc.Submit(phoneNumber, tpdu); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			box := w.inbox.all()
			if d := box[len(box)-1]; !bytes.Equal(d.ShortMessage, unpacked) || d.ESMClass != smpp.UDHI|smpp.ReplyPath || d.DataCoding != p.DCS {
				t.Errorf("%X\nwant %X", d.ShortMessage, unpacked)
			}
		}
	})
}

// FuzzSubmit converts arbitrary messages from phones and ESMEs.
func FuzzSubmit(f *testing.F) {
	f.Add(fromPhone(f, 1), byte(0xf6), byte(0x40))
	f.Add([]byte{2, 0x70, 0, 1}, byte(0), byte(0x40))
	f.Add([]byte("hello"), byte(3), byte(0))
	r := &radio{}
	s, err := smsc.New(smsc.Config{Radio: r})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(s.Close)
	f.Fuzz(func(t *testing.T, b []byte, coding, class byte) {
		_ = s.Submit(phoneNumber, b)
		smsc.CheckConversion(t, &smpp.SubmitSM{Source: service, Dest: phone, ESMClass: class, DataCoding: coding, ShortMessage: b})
	})
}
