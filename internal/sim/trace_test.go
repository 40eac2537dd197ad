package sim

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/smpp"
)

var varying = regexp.MustCompile(`signature of \d+ octets|reply  TAR 53474D  counter 1  status OK  CC ok  \d+ octets|\d+ octets\n    TP-UD   UDH 70`)

// The trace as text: testdata/trace.txt.
func TestTraceFormat(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		f.proofs, f.bare = []scp80.Status{scp80.IntegrityFailed}, true
		w.net.fails(smpp.StatusThrottled)
		r := w.request(f, mssp.OpSign, "_1", strings.Repeat("x", 160))
		r.Party.Name = "Zürcher \"Bank\""
		w.ask(r)
		pass(time.Minute)
		var b bytes.Buffer
		for _, e := range w.ch.Trace(f.msisdn) {
			e.Format(&b)
		}
		// Times are jittered, and signatures differ in length.
		got := regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d\.\d{3}`).ReplaceAllString(b.String(), "hh:mm:ss.mmm")
		got = varying.ReplaceAllStringFunc(got, func(s string) string { return regexp.MustCompile(`\d+ octets`).ReplaceAllString(s, "N octets") })
		got = regexp.MustCompile(`timeout \S+`).ReplaceAllString(got, "timeout T")
		got = regexp.MustCompile(`validity \d+R`).ReplaceAllString(got, "validity V")
		const golden = "testdata/trace.txt"
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil || got != string(want) {
			t.Errorf("%v\n%s", err, got)
		}
	})
}

// Neither keys nor the text of the user are in the trace, nor in the log.
func TestNoSecrets(t *testing.T) {
	var logged bytes.Buffer
	run(t, func(w *world) {
		f := w.card(ecKey)
		f.proofs = []scp80.Status{scp80.CounterLow}
		w.ask(w.request(f, mssp.OpSign, "_1", "my secret text"))
		pass(time.Minute)
		w.taken(from(f, single(0x70, []byte("garbage"))))
		if err := w.ch.SendText(ctx, mssp.TextMessage{MSISDN: f.msisdn, Text: "my secret code"}); err != nil {
			t.Error(err)
		}
		all := w.ch.Trace(f.msisdn)
		doc, err := json.Marshal(all)
		if err != nil || len(all) < 6 {
			t.Fatal(len(all), err)
		}
		var b bytes.Buffer
		for _, e := range all {
			e.Format(&b)
		}
		for what, s := range map[string]string{"JSON": string(doc), "text": b.String(), "log": logged.String()} {
			low := strings.ToLower(s)
			for _, secret := range []string{"secret", hex.EncodeToString(f.keys.KIc), hex.EncodeToString(f.keys.KID)} {
				if strings.Contains(low, secret) {
					t.Errorf("%s: %s", what, secret)
				}
			}
		}
		if !strings.Contains(logged.String(), signum.MaskMSISDN(f.msisdn)) || strings.Contains(logged.String(), f.msisdn) {
			t.Errorf("log: %s", logged.String())
		}
	}, func(c *Config) { c.Logger = textLogger(&logged) })
}

// The rings are bounded; those that were not used for the longest time are dropped.
func TestRecorderBounds(t *testing.T) {
	r := newRecorder(3, 4)
	for i := range 5 {
		for j := range 10 {
			r.note(fmt.Sprint(i), "", time.Unix(int64(j), 0), fmt.Sprint(j))
		}
		r.note("0", "", time.Time{}, "again")
	}
	if len(r.rings) != 3 || r.ages.Len() != 3 || r.of("1") != nil || r.of("2") != nil {
		t.Errorf("%d, %d", len(r.rings), r.ages.Len())
	}
	var got []string
	for _, e := range r.of("4") {
		got = append(got, e.Notes...)
	}
	if fmt.Sprint(got) != "[6 7 8 9]" {
		t.Errorf("%v", got)
	}
	for _, off := range []*recorder{newRecorder(-1, 4), newRecorder(3, -1)} {
		if e := off.add("1", &Exchange{}); e != nil {
			t.Error("kept")
		}
		off.done(nil, time.Time{}, "", nil)
		off.remark(nil, "")
	}
}
