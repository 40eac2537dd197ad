package storable

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/visible"
)

// Party refuses a party that cannot be kept.
func Party(p *mssp.Party) error {
	if err := Keys(F("AP_ID", p.ID)); err != nil {
		return err
	}
	if err := Texts(F("DTBDPrefix", p.DTBDPrefix), F("AuthProfile1", p.AuthProfile1),
		F("DefaultLang", p.DefaultLang), F("PasswordHash", p.PasswordHash)); err != nil {
		return err
	}
	if err := Identity(p); err != nil {
		return err
	}
	for _, uri := range slices.Concat(p.Profiles, p.Services) {
		if err := Texts(F("a profile or service", uri)); err != nil {
			return err
		}
	}
	for _, prefix := range p.Limits.OTPPrefixes {
		if err := Texts(F("a prefix of numbers", prefix)); err != nil {
			return err
		}
	}
	return Fence(&p.Geofence.Geofence)
}

// Identity checks what users see of a party. Its name stands above every text, so
// it is held to the same rules, and to one line.
func Identity(p *mssp.Party) error {
	n := utf8.RuneCountInString(p.Name)
	switch {
	case n > mssp.MaxPartyName:
		return fmt.Errorf("store: the name of a party has %d characters: at most %d are allowed", n, mssp.MaxPartyName)
	case strings.TrimSpace(p.Name) != p.Name:
		return errors.New("store: the name of a party begins or ends with a space")
	case strings.ContainsAny(p.Name, "\t\n\r\f"):
		return errors.New("store: the name of a party has more than one line")
	}
	if err := visible.Check(p.Name); err != nil {
		return fmt.Errorf("store: the name of a party: %w", err)
	}
	return Texts(F("logo", p.Logo))
}
