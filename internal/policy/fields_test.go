package policy

import (
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func request(change ...func(*signum.SignatureRequest)) *signum.SignatureRequest {
	r := &signum.SignatureRequest{
		Header: signum.Header{
			Version: signum.Version{Major: "1", Minor: "2"},
			AP:      signum.APInfo{ID: "mid://ap", TransID: "T1", Instant: "2026-03-01T12:00:00.000Z"},
		},
		MessagingMode: signum.Synch,
		MSISDN:        "+41791234567",
		Profile:       signum.ProfileAnyLoA4,
		Data:          signum.DataToBeSigned{MimeType: "text/plain", Encoding: "UTF-8", Data: "Bank: Login?"},
		Services:      []signum.AdditionalService{{URI: signum.ServiceUserLang, UserLang: "EN"}},
	}
	for _, c := range change {
		c(r)
	}
	return r
}

func party(change ...func(*mssp.Party)) *mssp.Party {
	p := &mssp.Party{
		ID: "mid://ap", DTBDPrefix: "Bank: ", AuthProfile1: signum.ProfileAnyLoA4,
		Pins:     []mssp.Pin{{1}, {2}},
		Profiles: signum.SignatureProfiles,
	}
	for _, c := range change {
		c(p)
	}
	return p
}

// code returns the code of a fault, 0 for no error, and -1 for an error that is not a
// fault.
func code(err error) signum.Code {
	switch f := signum.AsFault(err); {
	case err == nil:
		return 0
	case f == nil:
		return -1
	default:
		return f.Code
	}
}

// is reports whether err is exactly this fault.
func is(err error, c signum.Code, detail string) bool {
	f := signum.AsFault(err)
	return f != nil && *f == signum.Fault{Code: c, Detail: detail}
}

var times = Times{Skew: DefaultSkew, MinTimeout: DefaultMinTimeout}

// A service may admit shorter times than the public one, and its fault says which.
func TestMinTimeout(t *testing.T) {
	short := Times{Skew: DefaultSkew, MinTimeout: time.Second}
	for timeout, detail := range map[string]string{
		"1": "", "14": "", "300": "",
		"0": "TimeOut is not a number of seconds from 1 to 300", "-1": "TimeOut is not a number of seconds from 1 to 300",
		"301": "TimeOut is not a number of seconds from 1 to 300", "0.5": "TimeOut is not a number of seconds from 1 to 300",
	} {
		f, err := SignatureFields(party(), request(func(r *signum.SignatureRequest) { r.TimeOut = timeout }), now, short)
		switch {
		case detail != "":
			if !is(err, signum.WrongParam, detail) {
				t.Errorf("%s: %v", timeout, err)
			}
		case err != nil || f.Timeout == 0:
			t.Errorf("%s: %+v, %v", timeout, f, err)
		}
	}
}

func TestSignatureFields(t *testing.T) {
	type R = signum.SignatureRequest
	tests := []struct {
		name   string
		change func(*R)
		want   signum.Code
	}{
		{"as it is", func(*R) {}, 0},
		{"version 1/1", func(r *R) { r.Version.Minor = "1" }, 0},
		{"no version", func(r *R) { r.Version = signum.Version{} }, 0},
		{"version 2/0", func(r *R) { r.Version = signum.Version{Major: "2", Minor: "0"} }, 108},
		{"half a version", func(r *R) { r.Version.Minor = "" }, 108},
		{"version before missing", func(r *R) { r.Version.Major, r.MSISDN = "9", "" }, 108},
		{"no AP_TransID", func(r *R) { r.AP.TransID = "" }, 102},
		{"no Instant", func(r *R) { r.AP.Instant = "" }, 102},
		{"no mode", func(r *R) { r.MessagingMode = "" }, 102},
		{"no MSISDN", func(r *R) { r.MSISDN = "" }, 102},
		{"no data", func(r *R) { r.Data.Data = "" }, 102},
		{"no userLang", func(r *R) { r.Services = nil }, 102},
		{"empty userLang", func(r *R) { r.Services[0].UserLang = "" }, 102},
		{"missing before wrong", func(r *R) { r.AP.Instant, r.Data.Data = "yesterday", "" }, 102},
		{"missing language before a wrong number", func(r *R) { r.MSISDN, r.Services = "x", nil }, 102},
		{"language rm", func(r *R) { r.Services[0].UserLang = "rm" }, 101},
		{"mode", func(r *R) { r.MessagingMode = "asynchServerServer" }, 101},
		{"asynch", func(r *R) { r.MessagingMode = "asynch" }, 0},
		{"asynchClientServer", func(r *R) { r.MessagingMode = "asynchClientServer" }, 0},
		{"AP_TransID of 128", func(r *R) { r.AP.TransID = strings.Repeat("é", 128) }, 0},
		{"AP_TransID of 129", func(r *R) { r.AP.TransID = strings.Repeat("a", 129) }, 101},
		{"AP_TransID begins with a digit", func(r *R) { r.AP.TransID = "7f:3+a/b" }, 0},
		{"AP_TransID with space", func(r *R) { r.AP.TransID = "a b" }, 101},
		{"AP_TransID with NUL", func(r *R) { r.AP.TransID = "a\x00b" }, 101},
		{"Instant with offset", func(r *R) { r.AP.Instant = "2026-03-01T14:00:00.123456789+02:00" }, 0},
		{"Instant without fraction", func(r *R) { r.AP.Instant = "2026-03-01T12:00:00Z" }, 0},
		{"Instant without zone", func(r *R) { r.AP.Instant = "2026-03-01T12:00:00" }, 101},
		{"Instant with a comma", func(r *R) { r.AP.Instant = "2026-03-01T12:00:00,5Z" }, 101},
		{"Instant with one digit", func(r *R) { r.AP.Instant = "2026-03-01T7:00:00-05:00" }, 101},
		{"Instant beyond 14:00", func(r *R) { r.AP.Instant = "2026-03-02T03:00:00+15:00" }, 101},
		{"Instant garbage", func(r *R) { r.AP.Instant = "now" }, 101},
		{"Instant 5 min early", func(r *R) { r.AP.Instant = "2026-03-01T11:55:00Z" }, 0},
		{"Instant over 5 min early", func(r *R) { r.AP.Instant = "2026-03-01T11:54:59.999Z" }, 101},
		{"Instant over 5 min late", func(r *R) { r.AP.Instant = "2026-03-01T12:05:00.001Z" }, 101},
		{"TimeOut 15", func(r *R) { r.TimeOut = "15" }, 0},
		{"TimeOut 300", func(r *R) { r.TimeOut = "300" }, 0},
		{"TimeOut 14", func(r *R) { r.TimeOut = "14" }, 101},
		{"TimeOut 301", func(r *R) { r.TimeOut = "301" }, 101},
		{"TimeOut word", func(r *R) { r.TimeOut = "long" }, 101},
		{"TimeOut overflow", func(r *R) { r.TimeOut = "9223372036854775807" }, 101},
		{"MSISDN letters", func(r *R) { r.MSISDN = "+4179abc4567" }, 101},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := SignatureFields(party(), request(tt.change), now, times)
			if code(err) != tt.want {
				t.Errorf("got %v, want %d", err, tt.want)
			}
		})
	}
	f, err := SignatureFields(party(func(p *mssp.Party) { p.DefaultLang = "fr" }), request(func(r *R) {
		r.Services, r.TimeOut, r.MSISDN, r.MessagingMode = nil, "20", "41 79-123 45 67", signum.Asynch
		r.AP.Instant = "2026-03-01T14:00:00.123456789+02:00"
	}), now, times)
	want := Fields{Instant: now.Add(123456 * time.Microsecond), MSISDN: "+41791234567", Async: true, Timeout: 20 * time.Second, Lang: "fr"}
	if err != nil || f != want {
		t.Errorf("got %+v, %v, want %+v", f, err, want)
	}
}

// TestMidnight: the end of a day and the beginning of the next are one instant in
// every request, so neither spelling repeats a call.
func TestMidnight(t *testing.T) {
	midnight := now.Truncate(24 * time.Hour)
	var seen []time.Time
	for _, instant := range []string{"2026-02-28T24:00:00Z", "2026-03-01T00:00:00.000Z", "2026-02-28T24:00:00.0-00:00"} {
		r := request(func(r *signum.SignatureRequest) { r.AP.Instant = instant })
		f, err := SignatureFields(party(), r, midnight, times)
		if err != nil || !f.Instant.Equal(midnight) {
			t.Errorf("%s: %s, %v", instant, f.Instant, err)
		}
		seen = append(seen, f.Instant)
		h := r.Header
		h.Version = signum.Version{}
		if err := StatusFields(&signum.StatusRequest{Header: h, TransID: "h1"}, midnight, DefaultSkew); err != nil {
			t.Errorf("status query: %v", err)
		}
		if _, err := CheckReceipt(&signum.ReceiptRequest{Header: h, TransID: "h1", MSISDN: r.MSISDN, Message: r.Data}, midnight, DefaultSkew); err != nil {
			t.Errorf("receipt: %v", err)
		}
		if _, _, err := CheckProfile(&signum.ProfileRequest{Header: h, MSISDN: r.MSISDN}, midnight, DefaultSkew); err != nil {
			t.Errorf("profile query: %v", err)
		}
	}
	if seen[0] != seen[1] || seen[1] != seen[2] {
		t.Errorf("three instants: %v", seen)
	}
}

func TestStatusFields(t *testing.T) {
	type R = signum.StatusRequest
	for _, tt := range []struct {
		name   string
		change func(*R)
		want   signum.Code
	}{
		{"as it is", func(*R) {}, 0},
		{"no version", func(r *R) { r.Version = signum.Version{} }, 0},
		{"version 2/0", func(r *R) { r.Version.Major = "2" }, 108},
		{"no id", func(r *R) { r.TransID = "" }, 102},
		{"no instant", func(r *R) { r.AP.Instant = "" }, 102},
		{"skew", func(r *R) { r.AP.Instant = "2026-03-01T13:00:00Z" }, 101},
	} {
		r := &R{Header: request().Header, TransID: "h1"}
		r.Version.Minor = "1"
		tt.change(r)
		if err := StatusFields(r, now, DefaultSkew); code(err) != tt.want {
			t.Errorf("%s: got %v, want %d", tt.name, err, tt.want)
		}
	}
}

func TestAuthenticate(t *testing.T) {
	for _, tt := range []struct {
		name string
		p    *mssp.Party
		c    mssp.Caller
		want signum.Code
	}{
		{"first certificate", party(), mssp.Caller{Pin: mssp.Pin{1}}, 0},
		{"second certificate, for rotation", party(), mssp.Caller{Pin: mssp.Pin{2}}, 0},
		{"foreign certificate", party(), mssp.Caller{Pin: mssp.Pin{9}}, 104},
		{"no certificate", party(), mssp.Caller{Problem: "none"}, 104},
		{"a problem outweighs a pin", party(), mssp.Caller{Pin: mssp.Pin{1}, Problem: "chain"}, 104},
		{"unknown party", nil, mssp.Caller{Pin: mssp.Pin{1}}, 104},
		{"party without certificates", party(func(p *mssp.Party) { p.Pins = nil }), mssp.Caller{}, 104},
	} {
		err := Authenticate(tt.p, tt.c)
		if code(err) != tt.want || err != nil && !is(err, tt.want, "Wrong SSL credentials") {
			t.Errorf("%s: got %v, want %d", tt.name, err, tt.want)
		}
	}
}

func TestParseMSISDN(t *testing.T) {
	for _, tt := range []struct{ sent, want string }{
		{"+41791234567", "+41791234567"},
		{"41791234567", "+41791234567"},
		{"+41 79 123-45-67", "+41791234567"},
		{"+393331234567", "+393331234567"},
		{"+2250712345678", "+2250712345678"}, // the number plan has a leading zero
		{"+41000000000", ""},                 // heartbeat
		{"+410791234567", ""},                // national prefix zero
		{"+4179", ""},
		{"+4179123456789", ""},
		{"+4179abc4567", ""},
		{"0791234567", ""},
		{"", ""},
		{"+", ""},
		{"++41791234567", ""},
		{"+41791234567;ext=5", ""},
		{"+٤١٧٩١٢٣٤٥٦٧", ""},
		{strings.Repeat("1", 100), ""},
		{"+41" + strings.Repeat(" ", 40) + "791234567", ""},
	} {
		got, ok := ParseMSISDN(tt.sent)
		if got != tt.want || ok != (tt.want != "") {
			t.Errorf("%q: got %q, %v, want %q", tt.sent, got, ok, tt.want)
		}
	}
	if err := LegalMSISDN("+41000000000"); !is(err, 101, "Illegal msisdn") {
		t.Errorf("heartbeat: got %v", err)
	}
}

func FuzzParseMSISDN(f *testing.F) {
	f.Add("+41791234567")
	f.Add("41 79-1")
	f.Fuzz(func(t *testing.T, s string) {
		n, ok := ParseMSISDN(s)
		if !ok {
			return
		}
		if again, ok := ParseMSISDN(n); !ok || again != n {
			t.Errorf("%q gives %q, which gives %q", s, n, again)
		}
	})
}
