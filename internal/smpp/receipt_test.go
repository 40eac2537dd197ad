package smpp

import (
	"strings"
	"testing"
	"time"
)

func TestTimes(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		in   string
		want time.Time // zero: refused
	}{
		{"000000000130000R", now.Add(90 * time.Second)},
		{"020610233429000R", now.AddDate(2, 6, 10).Add(23*time.Hour + 34*time.Minute + 29*time.Second)}, // 7.1.1.2
		{"260301120000500+", now.Add(500 * time.Millisecond)},
		{"260301130000004+", now}, // an hour ahead of UTC
		{"260301110000004-", now},
		{"000000000130000", time.Time{}},
		{"00000000013000aR", time.Time{}},
		{"00000000013000 R", time.Time{}},
		{"+00000000130000R", time.Time{}},
		{"261301120000000+", time.Time{}},
		{"260301240000000+", time.Time{}},
		{"260301120000000Z", time.Time{}},
	} {
		got, err := ParseTime(tt.in, now)
		if !got.Equal(tt.want) || (err != nil) != tt.want.IsZero() {
			t.Errorf("%s: %v, %v; want %v", tt.in, got, err, tt.want)
		}
	}
	for d, want := range map[time.Duration]string{
		-1: "000000000001000R", 80 * time.Second: "000000000120000R", 1500 * time.Millisecond: "000000000002000R",
		30 * 24 * time.Hour: "000030000000000R", 40 * 24 * time.Hour: "000110000000000R", 1 << 62: "010216000000000R",
	} {
		if got := RelativeTime(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
	if got := AbsoluteTime(now.Add(300 * time.Millisecond)); got != "260301120000300+" {
		t.Errorf("absolute: %s", got)
	}
}

func TestReceipt(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 5, 0, 0, time.UTC)
	r := &Receipt{MessageID: "00C0FFEE", State: StateDelivered, Submitted: at, Done: at.Add(time.Minute), Text: strings.Repeat("x", 30)}
	phone, us := Address{1, 1, "41791234567"}, Address{0, 0, "555"}
	d := r.Deliver(phone, us)
	want := "id:00C0FFEE sub:001 dlvrd:001 submit date:2603011205 done date:2603011206 stat:DELIVRD err:000 text:xxxxxxxxxxxxxxxxxxxx"
	if string(d.ShortMessage) != want || d.Source != phone || d.Dest != us || !d.IsReceipt() {
		t.Errorf("%s\n%s", d.ShortMessage, want)
	}
	if _, err := (PDU{Sequence: 1, Body: d}).Marshal(); err != nil {
		t.Error(err)
	}
	for _, tt := range []struct {
		name string
		d    *DeliverSM
		want Receipt
		ok   bool
	}{
		{"own", d, Receipt{MessageID: "00C0FFEE", State: StateDelivered}, true},
		{"text alone", told("id:42 sub:001 dlvrd:000 stat:UNDELIV err:017 Text:"), Receipt{MessageID: "42", State: StateUndeliverable, Error: 17}, true},
		{"capitals", told("ID:42 Stat:EXPIRED Err:1"), Receipt{MessageID: "42", State: StateExpired, Error: 1}, true},
		{"spaces", told("id: 0000000042 sub: 001 stat: DELIVRD err: 0"), Receipt{MessageID: "0000000042", State: StateDelivered}, true},
		{"without sub and dlvrd (jsmpp, issue 62)", told("id:1526758174 submit date:1701240904 done date:1701240904 stat:DELIVRD err:000 text:hellow"), Receipt{MessageID: "1526758174", State: StateDelivered}, true},
		{"an error of four digits (php-smpp, issue 70)", told("id:117062714244798261 sub:001 dlvrd:001 submit date:1706271624 done date:1706271624 stat:DELIVRD err:0000 text:H\x1bllo world"), Receipt{MessageID: "117062714244798261", State: StateDelivered}, true},
		{"times with seconds (smppex, issue 46)", told("id:rdwjwxns18krxr9936ey96ymcw sub:000 dlvrd:000 submit date:180711070003912+ done date:180711070000012+ stat:UNDELIV err:000"), Receipt{MessageID: "rdwjwxns18krxr9936ey96ymcw", State: StateUndeliverable}, true},
		{"FAILED (vumi, pull request 897)", told("id:42 stat:FAILED"), Receipt{MessageID: "42", State: StateUndeliverable}, true},
		{"a UUID (jasmin, issue 535)", told("id:9d9e69eb-52a7-4a4d-a380-8bce7c11f4cd stat:ACCEPTD"), Receipt{MessageID: "9d9e69eb-52a7-4a4d-a380-8bce7c11f4cd", State: StateAccepted}, true},
		{"words written out", told("id:42 stat:UNDELIVERABLE"), Receipt{MessageID: "42", State: StateUndeliverable}, true},
		{"DELIVERED", told("id:42 stat:delivered"), Receipt{MessageID: "42", State: StateDelivered}, true},
		{"REJECTED", told("id:42 stat:REJECTED"), Receipt{MessageID: "42", State: StateRejected}, true},
		{"BUFFERED", told("id:42 stat:BUFFERED"), Receipt{MessageID: "42", State: StateEnroute}, true},
		{"a number as state", told("id:42 stat:5"), Receipt{MessageID: "42", State: StateUndeliverable}, true},
		{"UCS-2", told("\x00i\x00d\x00:\x004\x002\x00 \x00s\x00t\x00a\x00t\x00:\x00E\x00X\x00P\x00I\x00R\x00E\x00D"), Receipt{MessageID: "42", State: StateExpired}, true},
		{"a NUL at the end", told("id:42 stat:EXPIRED\x00"), Receipt{MessageID: "42", State: StateExpired}, true},
		{"TLVs alone", &DeliverSM{ESMClass: 0x04, TLVs: tlvs("42\x00", 2)}, Receipt{MessageID: "42", State: StateDelivered}, true},
		{"an id in a TLV without a NUL", &DeliverSM{ESMClass: 0x04, TLVs: tlvs("42", 5)}, Receipt{MessageID: "42", State: StateUndeliverable}, true},
		{"an id in a TLV, padded", &DeliverSM{ESMClass: 0x04, TLVs: tlvs("  42  \x00\x00", 5)}, Receipt{MessageID: "42", State: StateUndeliverable}, true},
		{"an empty id in a TLV", &DeliverSM{ESMClass: 0x04, ShortMessage: []byte("id:42 stat:EXPIRED"), TLVs: tlvs("\x00", 5)}, Receipt{MessageID: "42", State: StateUndeliverable}, true},
		{"one id in a TLV, another in the text", &DeliverSM{ESMClass: 0x04, ShortMessage: []byte("id:0042 stat:EXPIRED"), TLVs: tlvs("2A\x00", 3)}, Receipt{MessageID: "2A", OtherID: "0042", State: StateExpired}, true},
		{"states of SMPP 5.0", &DeliverSM{ESMClass: 0x04, TLVs: tlvs("42\x00", 9)}, Receipt{MessageID: "42", State: StateUndeliverable}, true},
		{"an intermediate notification", &DeliverSM{ESMClass: 0x20, ShortMessage: []byte("id:42 stat:ENROUTE")}, Receipt{MessageID: "42", State: StateEnroute}, true},
		{"a word of its own", told("id:42 stat:LOST"), Receipt{MessageID: "42", State: StateUnknown}, true},
		{"not declared", &DeliverSM{ShortMessage: []byte("id:42 sub:001 stat:DELIVRD")}, Receipt{MessageID: "42", State: StateDelivered}, true},
		{"not declared, TLVs", &DeliverSM{TLVs: tlvs("42\x00", 2)}, Receipt{MessageID: "42", State: StateDelivered}, true},
		{"a message of a phone with a header", &DeliverSM{ESMClass: UDHI, ShortMessage: []byte("id:42 stat:DELIVRD")}, Receipt{}, false},
		{"a message of a phone", &DeliverSM{ShortMessage: []byte("hello")}, Receipt{}, false},
		{"no id", told("stat:DELIVRD"), Receipt{}, false},
		{"no state", told("id:1"), Receipt{}, false},
	} {
		got, err := ParseReceipt(tt.d)
		if (err == nil) != tt.ok || tt.ok && *got != tt.want {
			t.Errorf("%s: %+v, %v", tt.name, got, err)
		}
	}
	if State(99).String() != "UNKNOWN" {
		t.Error("a state without a name")
	}
}

// told is a receipt in a text.
func told(text string) *DeliverSM {
	return &DeliverSM{ESMClass: TypeReceipt, ShortMessage: []byte(text)}
}

func tlvs(id string, state byte) []TLV {
	return []TLV{{TagReceiptedMessageID, []byte(id)}, {TagMessageState, []byte{state}}}
}

func FuzzReceipt(f *testing.F) {
	f.Add([]byte("id:42 sub:001 dlvrd:000 stat:UNDELIV err:017 text:"), "260301120000500+")
	f.Fuzz(func(t *testing.T, text []byte, at string) {
		if r, err := ParseReceipt(&DeliverSM{ESMClass: TypeReceipt, ShortMessage: text}); err == nil && (r.MessageID == "" || r.State == 0) {
			t.Errorf("%+v", r)
		}
		_, _ = ParseTime(at, time.Now())
	})
}
