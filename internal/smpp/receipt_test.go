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
		{"text alone", &DeliverSM{ESMClass: 0x04, ShortMessage: []byte("id:42 sub:001 dlvrd:000 stat:UNDELIV err:017 Text:")}, Receipt{MessageID: "42", State: StateUndeliverable, Error: 17}, true},
		{"capitals", &DeliverSM{ESMClass: 0x04, ShortMessage: []byte("ID:42 Stat:EXPIRED Err:1")}, Receipt{MessageID: "42", State: StateExpired, Error: 1}, true},
		{"a word of its own", &DeliverSM{ESMClass: 0x04, ShortMessage: []byte("id:42 stat:LOST")}, Receipt{MessageID: "42", State: StateUnknown}, true},
		{"a message", &DeliverSM{ShortMessage: []byte("id:42 stat:DELIVRD")}, Receipt{}, false},
		{"no id", &DeliverSM{ESMClass: 0x04, ShortMessage: []byte("stat:DELIVRD")}, Receipt{}, false},
		{"no state", &DeliverSM{ESMClass: 0x04, ShortMessage: []byte("id:1")}, Receipt{}, false},
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

func FuzzReceipt(f *testing.F) {
	f.Add([]byte("id:42 sub:001 dlvrd:000 stat:UNDELIV err:017 text:"), "260301120000500+")
	f.Fuzz(func(t *testing.T, text []byte, at string) {
		if r, err := ParseReceipt(&DeliverSM{ESMClass: TypeReceipt, ShortMessage: text}); err == nil && (r.MessageID == "" || r.State == 0) {
			t.Errorf("%+v", r)
		}
		_, _ = ParseTime(at, time.Now())
	})
}
