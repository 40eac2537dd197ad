package sms

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/cryptobyte"
)

func TestAddress(t *testing.T) {
	for _, tt := range []struct {
		address Address
		octets  string
	}{
		{International("+41790000001"), "\x0b\x91\x14\x97\x00\x00\x00\xf1"},
		{International("417900000012"), "\x0c\x91\x14\x97\x00\x00\x00\x21"},
		{Address{TON: 0, NPI: 1, Digits: "*#abc"}, "\x05\x81\xba\xdc\xfe"},
		{Address{TON: 0, NPI: 0, Digits: ""}, "\x00\x80"},
		{Address{TON: TONAlphanumeric, Digits: "Signum"}, "\x0b\xd0\xd3\xf4\xd9\x5d\x6f\x03"},
		{Address{TON: TONAlphanumeric, Digits: "1234567"}, "\x0d\xd0\x31\xd9\x8c\x56\xb3\xdd\x00"},
		{Address{TON: TONAlphanumeric, Digits: "12345678"}, "\x0e\xd0\x31\xd9\x8c\x56\xb3\xdd\x70"},
		{Address{TON: TONAlphanumeric, Digits: "€"}, "\x04\xd0\x9b\x32"},
	} {
		b, err := tt.address.AddressField()
		if err != nil || string(b) != tt.octets {
			t.Errorf("%+v: %x, %v", tt.address, b, err)
		}
		var got Address
		in := cryptobyte.String(tt.octets)
		if err := readAddress(&in, &got); err != nil || got != tt.address || !in.Empty() {
			t.Errorf("%x: %+v, %v", tt.octets, got, err)
		}
	}
	for n := range 12 {
		a := Address{TON: TONAlphanumeric, Digits: strings.Repeat("x", n)}
		b, err := a.AddressField()
		in := cryptobyte.String(b)
		var got Address
		if err != nil || readAddress(&in, &got) != nil || got != a {
			t.Errorf("a name of %d characters is %+v", n, got)
		}
	}
}

func TestAddressRefuses(t *testing.T) {
	for _, a := range []Address{
		{TON: 8}, {NPI: 16},
		{TON: 1, NPI: 1, Digits: strings.Repeat("1", 21)},
		{TON: 1, NPI: 1, Digits: "+41"}, {TON: 1, NPI: 1, Digits: "4x"},
		{TON: TONAlphanumeric, Digits: strings.Repeat("x", 12)}, {TON: TONAlphanumeric, Digits: "€€€€€€"},
		{TON: TONAlphanumeric, Digits: "Привет"},
	} {
		if b, err := a.AddressField(); err == nil {
			t.Errorf("%+v: %x", a, b)
		}
	}
	for _, octets := range []string{
		"", "\x02", "\x02\x91", "\x03\x91\x14", // truncated
		"\x02\x11\x14",     // the type has an extension
		"\x03\x91\xf4\x01", // a gap
		"\x16\x91" + strings.Repeat("\x11", 11),
		"\x02\xd0\x1b", // an escape alone
	} {
		var a Address
		in := cryptobyte.String(octets)
		if err := readAddress(&in, &a); !errors.Is(err, ErrMalformed) {
			t.Errorf("%x: %+v, %v", octets, a, err)
		}
	}
}

func TestTimestamp(t *testing.T) {
	zone := func(name string) *time.Location {
		l, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	at := time.Date(2026, 11, 24, 16, 10, 15, 0, time.UTC)
	for _, tt := range []struct {
		at     time.Time
		octets string
	}{
		{at, "\x62\x11\x42\x61\x01\x51\x00"},
		{at.In(zone("Europe/Zurich")), "\x62\x11\x42\x71\x01\x51\x40"},
		{at.In(zone("Asia/Kathmandu")), "\x62\x11\x42\x12\x55\x51\x32"},     // +5:45
		{at.In(zone("America/St_Johns")), "\x62\x11\x42\x21\x04\x51\x49"},   // -3:30
		{at.In(zone("Pacific/Kiritimati")), "\x62\x11\x52\x60\x01\x51\x65"}, // +14
		{at.In(time.FixedZone("", 79*900)), "\x62\x11\x52\x11\x55\x51\x97"},
		{at.In(time.FixedZone("", -79*900)), "\x62\x11\x32\x02\x52\x51\x9f"},
		{at.In(time.FixedZone("", 80*900)), "\x62\x11\x42\x61\x01\x51\x00"}, // too far off: UTC
		{at.In(time.FixedZone("", 1234)), "\x62\x11\x42\x61\x01\x51\x00"},   // not a quarter: UTC
		{time.Date(2099, 12, 31, 23, 59, 59, 0, time.UTC), "\x99\x21\x13\x32\x95\x95\x00"},
		{time.Time{}, "\x00\x00\x00\x00\x00\x00\x00"},
	} {
		b, err := appendTimestamp(nil, tt.at)
		if err != nil || string(b) != tt.octets {
			t.Errorf("%v: %x, %v", tt.at, b, err)
		}
		var got time.Time
		in := cryptobyte.String(tt.octets)
		if !readTimestamp(&in, &got) || !got.Equal(tt.at) {
			t.Errorf("%x: %v", tt.octets, got)
		}
	}
	for _, year := range []int{1, 1999, 2100} {
		if _, err := appendTimestamp(nil, time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC)); err == nil {
			t.Errorf("the year %d is taken", year)
		}
	}
	for _, octets := range []string{
		"\x62\x31\x42\x61\x01\x51\x00", // month 13
		"\x62\x20\x03\x61\x01\x51\x00", // 30 February
		"\x62\x11\x42\x42\x01\x51\x00", // hour 24
		"\x6a\x11\x42\x61\x01\x51\x00", // not a digit
		"\x62\x11\x42\x61\x01\x51\xa0",
	} {
		got := at
		in := cryptobyte.String(octets)
		if !readTimestamp(&in, &got) || !got.IsZero() {
			t.Errorf("%x: %v", octets, got)
		}
	}
}

func TestValidity(t *testing.T) {
	for _, tt := range []struct {
		d    time.Duration
		v    byte
		read time.Duration
	}{
		{1, 0, 5 * time.Minute},
		{5 * time.Minute, 0, 5 * time.Minute},
		{5*time.Minute + 1, 1, 10 * time.Minute},
		{12 * time.Hour, 143, 12 * time.Hour},
		{12*time.Hour + time.Minute, 144, 12*time.Hour + 30*time.Minute},
		{day, 167, day},
		{day + time.Minute, 168, 2 * day},
		{30 * day, 196, 30 * day},
		{30*day + 1, 197, 5 * week},
		{63 * week, 255, 63 * week},
	} {
		v, err := relativeValidity(tt.d)
		if err != nil || v != tt.v || relativeDuration(v) != tt.read {
			t.Errorf("%v: %d (%v), %v", tt.d, v, relativeDuration(v), err)
		}
	}
	for v := range 255 {
		if relativeDuration(byte(v)) >= relativeDuration(byte(v+1)) {
			t.Errorf("%d is not shorter than the next", v)
		}
	}
	for _, d := range []time.Duration{-1, 63*week + 1} {
		if _, err := (&Submit{To: International("1"), DCS: DCSCard, Validity: d}).MarshalBinary(); err == nil {
			t.Errorf("a validity of %v is taken", d)
		}
	}
	for octets, want := range map[string]time.Duration{
		"\x00\x00\x00\x00\x00\x00\x00": 0,
		"\x01\xa7\x00\x00\x00\x00\x00": day,
		"\x02\x1e\x00\x00\x00\x00\x00": 30 * time.Second,
		"\x03\x10\x20\x30\x00\x00\x00": time.Hour + 2*time.Minute + 3*time.Second,
		"\x03\x1a\x20\x30\x00\x00\x00": 0,
		"\x07\x10\x20\x30\x00\x00\x00": 0,
	} {
		s, err := ParseSubmit([]byte("\x09\x00\x02\x91\x14\x7f\xf6" + octets + "\x01\x09"))
		if err != nil || s.Validity != want || !bytes.Equal(s.UD, []byte{9}) {
			t.Errorf("enhanced %x: %+v, %v", octets, s, err)
		}
	}
}

func TestReport(t *testing.T) {
	for _, tt := range []struct {
		report Report
		octets string
	}{
		{Report{}, "\x00\x00"},
		{Report{UD: []byte{}, PID: 0x7f, DCS: DCSCard}, "\x00\x07\x7f\xf6\x00"},
		{Report{UDHI: true, UD: []byte{2, 0x71, 0, 1}, PID: 0x7f, DCS: DCSCard}, "\x40\x07\x7f\xf6\x04\x02\x71\x00\x01"},
		{Report{Failure: FailureToolkitBusy}, "\x00\xd4\x00"},
		{Report{Failure: FailureDataDownload, PID: 0x7f, DCS: DCSCard, UD: []byte{9}}, "\x00\xd5\x07\x7f\xf6\x01\x09"},
	} {
		b, err := tt.report.MarshalBinary()
		if err != nil || string(b) != tt.octets {
			t.Errorf("%+v: %x, %v", tt.report, b, err)
		}
		got, err := ParseReport([]byte(tt.octets))
		if err != nil {
			t.Errorf("%x: %v", tt.octets, err)
			continue
		}
		if diff := cmp.Diff(&tt.report, got); diff != "" {
			t.Error(diff)
		}
	}
	for _, r := range []Report{
		{Failure: 1}, {Failure: 0x7f},
		{DCS: DCSCard, UD: make([]byte, 160)},
		{Failure: FailureDataDownload, DCS: DCSCard, UD: make([]byte, 159)},
	} {
		if _, err := r.MarshalBinary(); err == nil {
			t.Errorf("%+v is taken", r)
		}
	}
	for _, octets := range []string{"", "\x00", "\x01\x00", "\x00\xd4", "\x00\x00\x00", "\x00\x08", "\x00\x01", "\x00\x03\x00", "\x00\x04", "\x00\x06\xf6\x02\x01", "\x00\xd4\x80"} {
		if _, err := ParseReport([]byte(octets)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%x: %v", octets, err)
		}
	}
}

// Every truncated TPDU is refused, and every TPDU with an octet too many.
func TestTruncation(t *testing.T) {
	d, err := (&Deliver{From: International("41790000001"), DCS: DCSCard, Time: start, UD: []byte{1, 2, 3}}).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	s, err := (&Submit{To: International("41790000001"), DCS: DCSCard, Validity: day, UD: []byte{1, 2, 3}}).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(d) + 2 {
		if _, err := ParseDeliver(append(bytes.Clone(d), 0)[:n]); (err == nil) != (n == len(d)) || err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("SMS-DELIVER of %d octets, cut at %d: %v", len(d), n, err)
		}
	}
	for n := range len(s) + 2 {
		if _, err := ParseSubmit(append(bytes.Clone(s), 0)[:n]); (err == nil) != (n == len(s)) || err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("SMS-SUBMIT of %d octets, cut at %d: %v", len(s), n, err)
		}
	}
	if _, err := ParseDeliver(s); err == nil {
		t.Error("an SMS-SUBMIT is an SMS-DELIVER")
	}
	if _, err := ParseSubmit(d); err == nil {
		t.Error("an SMS-DELIVER is an SMS-SUBMIT")
	}
}

func TestUserDataRefuses(t *testing.T) {
	for name, d := range map[string]Deliver{
		"too long":        {DCS: DCSCard, UD: make([]byte, 141)},
		"septets missing": {UD: make([]byte, 7)},
		"septets too few": {UD: make([]byte, 7), Septets: 6},
		"septets below 0": {UD: nil, Septets: -1},
		"161 septets":     {UD: make([]byte, 141), Septets: 161},
	} {
		if b, err := d.MarshalBinary(); err == nil {
			t.Errorf("%s: %x", name, b)
		}
	}
}
