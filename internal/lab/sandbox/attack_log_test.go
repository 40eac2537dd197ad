package sandbox

import (
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/testkit"
)

// TestAttackNumbersInLog: who reads the log, at any level, learns nobody's number,
// neither from a line about a user nor from the id of a device.
func TestAttackNumbersInLog(t *testing.T) {
	t.Parallel()
	log := new(testkit.Buffer)
	f := newFixtureWith(t, Config{Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	both := f.addUser(person.Approve, signum.SIM, signum.App)
	numbers := []string{both, f.addUser(person.Cancel, signum.SIM), f.addUser(person.WrongPIN, signum.App), "+41791000006", "+41791000004", "+41798765432"}
	for _, wire := range wires {
		for _, n := range numbers {
			for _, profile := range []string{signum.ProfileSTK, signum.ProfileDevice, signum.ProfileOTPText} {
				r := client.SignRequest{MSISDN: n, Text: DTBDPrefix + "Hello", Lang: "en", Profile: profile}
				_, _ = f.clients[wire].Sign(t.Context(), r) // whatever its outcome
			}
		}
	}
	if _, err := f.Invite(t.Context(), both); err != nil {
		t.Error(err)
	}
	text := log.String()
	for _, n := range numbers {
		for _, form := range []string{n[1:], n[3:], n[len(n)-6:]} {
			if i := strings.Index(text, form); i >= 0 {
				t.Errorf("the log has %s of %s: …%s…", form, n, text[max(0, i-200):min(len(text), i+100)])
			}
		}
		if masked := signum.MaskMSISDN(n); n != "+41791000004" && !strings.Contains(text, masked) {
			t.Errorf("the log does not mention %s", masked)
		}
	}
	for _, masked := range regexp.MustCompile(`\+\d+\*+\d+`).FindAllString(text, -1) {
		if shown := len(strings.ReplaceAll(masked, "*", "")) - 1; shown > 4 {
			t.Fatalf("%s shows %d digits", masked, shown)
		}
	}
}
