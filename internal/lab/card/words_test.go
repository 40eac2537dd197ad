package card

import (
	"testing"

	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/sms"
)

// All phrases of the card exist in the GSM alphabet and fit into a command.
func TestWords(t *testing.T) {
	for lang, w := range languages {
		questions := []string{w.newPIN, w.again, w.differ + " " + w.newPIN}
		for left := 1; left <= MaxTries; left++ {
			questions = append(questions, w.askPIN(false, left), w.askPIN(true, left))
		}
		for _, q := range []string{w.asks, w.tells} {
			b, ok := sms.EncodeGSM7(q)
			// With a name of applet.MaxParty, and a line feed, in UCS2.
			if !ok || len(b) == 0 || 2*(len(b)+1+applet.MaxParty) > maxTimedText {
				t.Errorf("%s: %q", lang, q)
			}
		}
		for _, q := range questions {
			b, ok := sms.EncodeGSM7(q)
			if !ok || len(b) < 10 || len(b) > 120 {
				t.Errorf("%s: %q", lang, q)
			}
		}
	}
}
