package interop

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/client"
)

// want is what every program prints, in any order: the typed values of its answers.
// A program makes these calls:
//
//   - sign: a text, synchronous, by SIGNUM_SIM, with geofencing and subscriberInfo
//   - receipt: for that signature, without the extension
//   - async: a text, asynchronous, by SIGNUM_APP, with status queries until it ends
//   - extended: a receipt for that one, with the extension, in German
//   - plain: a profile query of SIGNUM_SIM without Params
//   - profile: one with all words
//   - fault: a request to a number that nobody has
var want = map[string]string{
	"sign.status":       "500 SIGNATURE",
	"sign.profile":      "http://mid.swisscom.ch/STK-LoA4",
	"sign.country":      "CH",
	"sign.network":      "1901=22801",
	"receipt.status":    "100 REQUEST_OK",
	"receipt.extension": "none",
	"async.status":      "100 REQUEST_OK",
	"async.outcome":     "500 SIGNATURE",
	"extended.status":   "100 REQUEST_OK",
	"extended.ack":      "synch true",
	"extended.response": `{"status":"OK"}`,
	"plain.status":      "100 REQUEST_OK",
	"plain.profiles":    "Any-Geofencing-LoA4 Any-LoA4 MID/v1/AuthProfile1 MID/v1/AuthProfile1.ECC MID/v1/OtpProfileFlash MID/v1/OtpProfileText STK-LoA4",
	"plain.extension":   "none",
	"profile.sim":       "ACTIVE",
	"profile.blocked":   "false",
	"profile.recovery":  "false",
	"profile.cert":      "ACTIVE EC 3",
	"profile.network":   "228 01 Sandbox Mobile",
	"fault.code":        "105",
	"fault.reason":      "UNKNOWN_CLIENT",
	"fault.detail":      "MSISDN is unknown",
}

// Two values are signatures. They must verify as those of these texts.
var signed = map[string]string{
	"sign.signature":  "Log in to example.com?",
	"async.signature": "Zürich: 12.50 € & <more>?",
}

// check compares what a program printed, lines of name=value.
func check(t *testing.T, out []byte) {
	t.Helper()
	box := open(t)
	party, err := client.LoadSandbox(box.Dir)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			got[name] = value
		}
	}
	for name, want := range want {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	for name, text := range signed {
		der, err := base64.StdEncoding.DecodeString(got[name])
		if err != nil {
			t.Errorf("%s is %q: %v", name, got[name], err)
			continue
		}
		sig, err := client.Verify(der, party.UserRoots)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if want := box.Info.DTBDPrefix + text; sig.Text != want {
			t.Errorf("%s: %q was signed, want %q", name, sig.Text, want)
		}
	}
	if t.Failed() {
		t.Logf("%s", out)
	}
}
