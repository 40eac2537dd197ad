package card

import (
	"testing"

	"github.com/signum-mssp/signum/internal/sms"
)

// All phrases of the card exist in the GSM alphabet and fit into a command.
func TestWords(t *testing.T) {
	for lang, w := range languages {
		questions := []string{w.newPIN, w.again, w.differ + " " + w.newPIN}
		for left := 1; left <= MaxTries; left++ {
			questions = append(questions, w.askPIN(false, left), w.askPIN(true, left))
		}
		for _, q := range questions {
			b, ok := sms.EncodeGSM7(q)
			if !ok || len(b) < 10 || len(b) > 120 {
				t.Errorf("%s: %q", lang, q)
			}
		}
	}
}
