package config

import (
	"encoding/hex"
	"errors"
	"time"
)

// CardProfile is how cards of one kind are reached. Where it says nothing, they are
// reached like all others.
type CardProfile struct {
	Name          string        `yaml:"name"`           // that cards are imported with; "default" is for those that name none
	TAR           TAR           `yaml:"tar"`            // of the applet; zero: that of docs/sim-applet.md
	ServiceNumber string        `yaml:"service_number"` // digits, to which the cards answer; empty: the source of the SMSC
	KIDKeySet     int           `yaml:"kid_key_set"`    // 1 to 15; 0: that of KIc, which each card has
	Validity      time.Duration `yaml:"validity"`       // the longest of messages to the cards; 0: as long as the request
	Retry         Retry         `yaml:"retry"`          // zero values: those of SIM.Retry
}

// TAR is the toolkit application reference of an applet: 6 hexadecimal digits.
type TAR [3]byte

var errTAR = errors.New("must be 6 hexadecimal digits, such as 53474D")

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *TAR) UnmarshalText(b []byte) error {
	if len(b) != hex.EncodedLen(len(t)) {
		return errTAR
	}
	if _, err := hex.Decode(t[:], b); err != nil {
		return errTAR
	}
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (t TAR) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(t[:])), nil }

func (s SIM) checkProfiles(l *problems) {
	names := make(map[string]bool)
	for i, p := range s.CardProfiles {
		path := entryPath("sim.card_profiles", i)
		l.entryName(path, "card profile", p.Name, names)
		if len(p.ServiceNumber) > 20 || !digits(p.ServiceNumber) {
			l.add(path+".service_number", "must be 1 to 20 digits, without +")
		}
		l.between(path+".kid_key_set", p.KIDKeySet, 0, 15)
		l.notNegative(path+".validity", p.Validity)
		p.Retry.checkOver(l, path+".retry", s.Retry)
	}
}

// checkOver checks values of which zero ones are taken from others.
func (r Retry) checkOver(l *problems, path string, others Retry) {
	l.atLeast(path+".attempts", r.Attempts, 0)
	l.atLeast(path+".absent", r.Absent, 0)
	l.notNegative(path+".backoff", r.Backoff)
	l.notNegative(path+".silence", r.Silence)
	l.notNegative(path+".patience", r.Patience)
	l.notNegative(path+".margin", r.Margin)
	least, most := r.Backoff, r.MaxBackoff
	if least == 0 {
		least = others.Backoff
	}
	if most == 0 {
		most = others.MaxBackoff
	}
	if most < least {
		l.add(path+".max_backoff", "is %s, and must be at least the backoff, %s", most, least)
	}
}

func (l *problems) notNegative(path string, d time.Duration) {
	if d < 0 {
		l.add(path, "must not be negative")
	}
}
