package signum

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestCodes(t *testing.T) {
	for c, want := range map[Code]string{
		100: "REQUEST_OK", 101: "WRONG_PARAM", 102: "MISSING_PARAM", 103: "WRONG_DATA_LENGTH", 104: "UNAUTHORIZED_ACCESS",
		105: "UNKNOWN_CLIENT", 106: "HANDSHAKE_REQUIRED", 107: "INAPPROPRIATE_DATA", 108: "INCOMPATIBLE_INTERFACE",
		109: "UNSUPPORTED_PROFILE", 208: "EXPIRED_TRANSACTION", 209: "OTA_ERROR", 400: "USER_SIGN", 401: "USER_CANCEL",
		402: "PIN_NR_BLOCKED", 403: "CARD_BLOCKED", 404: "NO_KEY_FOUND", 405: "NO_URL_FOUND", 406: "PB_SIGNATURE_PROCESS",
		407: "REGISTRATION_NOK", 408: "REGISTRATION_OK", 422: "NO_CERT_FOUND", 423: "CRL_PB", 424: "CRL_EXPIRED",
		425: "ERROR_CERTIFICATE", 450: "GEOFENCING_POLICY_VIOLATION", 500: "SIGNATURE", 501: "REVOKED_CERTIFICATE",
		502: "VALID_SIGNATURE", 503: "INVALID_SIGNATURE", 504: "OUTSTANDING_TRANSACTION", 505: "CONSTRAINT_MISMATCH",
		600: "RET_OK_PUSH", 601: "RET_OK_NOPUSH", 602: "RET_NOK_PUSH", 603: "RET_NOK_NOPUSH", 900: "INTERNAL_ERROR",
		701: "ROAMING_701", 780: "ROAMING_780",
	} {
		if c.String() != want || !c.Known() {
			t.Errorf("%d: got %s, known %v, want %s", int(c), c, c.Known(), want)
		}
	}
	if c := Code(999); c.Known() || c.String() != "CODE_999" {
		t.Errorf("999: got %s", c)
	}
	// Every documented fault has a detail, and only faults have one.
	for c, e := range codes {
		documented := strings.Contains(" 101 102 103 104 105 107 108 109 208 209 401 402 403 404 406 422 450 501 503 900 ", fmt.Sprintf(" %d ", c))
		if documented != (e.detail != "") {
			t.Errorf("%d: detail %q", int(c), e.detail)
		}
	}
}

func TestFault(t *testing.T) {
	err := fmt.Errorf("signing: %w", NewFault(UserCancel))
	if f := AsFault(err); f == nil || *f != (Fault{Code: UserCancel, Detail: "User cancelled the request"}) {
		t.Errorf("got %v", f)
	}
	if !errors.Is(err, &Fault{Code: UserCancel}) || errors.Is(err, &Fault{Code: PINBlocked}) {
		t.Error("errors.Is does not go by the code")
	}
	if errors.Is(err, &Fault{Code: UserCancel, Detail: "other"}) {
		t.Error("a detail that is given must match")
	}
	if AsFault(errors.New("x")) != nil {
		t.Error("not every error is a fault")
	}
	if got := (&Fault{Code: 401}).Error(); got != "401 USER_CANCEL" {
		t.Errorf("got %s", got)
	}
}

func TestGSMLength(t *testing.T) {
	if n := len([]rune(gsmBasic)); n != 127 { // 128 less the escape
		t.Errorf("basic alphabet has %d characters", n)
	}
	for _, tt := range []struct {
		text string
		n    int
		ok   bool
	}{
		{"", 0, true},
		{"abc", 3, true},
		{"Grüezi @ Zürich", 15, true},
		{"100 €", 6, true},
		{"[x]", 5, true},
		{"ç", 0, false}, // only the capital is in the alphabet
		{"Ž", 0, false},
		{"`", 0, false},
		{"\xff", 0, false},
	} {
		if n, ok := GSMLength(tt.text); n != tt.n || ok != tt.ok {
			t.Errorf("%q: got %d, %v", tt.text, n, ok)
		}
	}
	for _, tt := range []struct {
		text string
		ok   bool
	}{
		{strings.Repeat("a", 239), true}, {strings.Repeat("a", 240), false},
		{strings.Repeat("€", 119), true}, {strings.Repeat("€", 120), false},
		{strings.Repeat("ž", 119), true}, {strings.Repeat("ž", 120), false},
		{strings.Repeat("🎉", 59), true}, {strings.Repeat("🎉", 60), false},
	} {
		if ok, n, limit := TextFits(tt.text); ok != tt.ok {
			t.Errorf("%.20q: %d of %d: %v", tt.text, n, limit, ok)
		}
	}
}

func TestMaskMSISDN(t *testing.T) {
	for in, want := range map[string]string{
		"+41791234164": "+41****64", "123": "***", "": "", "+4179112": "********",
	} {
		if got := MaskMSISDN(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func TestFormatInstant(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.FixedZone("", 3600))
	if got := FormatInstant(at); got != "2026-01-02T02:04:05.678Z" {
		t.Errorf("got %s", got)
	}
}
