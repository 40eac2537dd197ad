package card

import (
	"errors"
	"fmt"
	"strings"
)

// NewICCID returns the prefix of telecommunication cards, 14 digits (usually the
// user's number, padded), and a check digit (ITU-T E.118).
func NewICCID(of string) string {
	digits := fmt.Sprintf("8941%014s", of)
	sum := 0
	for i := range digits {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return digits + string(rune('0'+(10-sum%10)%10))
}

// checkICCID accepts 10 to 20 digits; ITU-T E.118 has 18 to 20.
func checkICCID(s string) error {
	if len(s) < 10 || len(s) > 20 || strings.Trim(s, "0123456789") != "" {
		return errors.New("card: an ICCID has 10 to 20 digits")
	}
	return nil
}
