package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// TON is a type of number (SMPP 3.4, clause 5.2.5), NPI a numbering plan (clause 5.2.6),
// by name or number. Empty: what the address looks like.
type (
	TON string
	NPI string
)

type codeName struct {
	name string
	code byte
}

var (
	tonNames = []codeName{
		{"unknown", 0}, {"international", 1}, {"national", 2}, {"network", 3}, {"subscriber", 4}, {"alphanumeric", 5}, {"abbreviated", 6},
	}
	npiNames = []codeName{
		{"unknown", 0}, {"isdn", 1}, {"data", 3}, {"telex", 4}, {"land_mobile", 6}, {"national", 8}, {"private", 9}, {"ermes", 10}, {"internet", 14}, {"wap", 18},
	}
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *TON) UnmarshalText(b []byte) error {
	*t = TON(b)
	_, err := codeOf(tonNames, string(b))
	return err
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *NPI) UnmarshalText(b []byte) error {
	*n = NPI(b)
	_, err := codeOf(npiNames, string(b))
	return err
}

// codeOf returns the code of a name or number; 0 for an empty text.
func codeOf(known []codeName, text string) (byte, error) {
	if i := slices.IndexFunc(known, func(c codeName) bool { return c.name == text }); i >= 0 {
		return known[i].code, nil
	}
	n, err := strconv.ParseUint(text, 10, 8)
	if err == nil || text == "" {
		return byte(n), nil
	}
	names := make([]string, len(known))
	for i, c := range known {
		names[i] = c.name
	}
	return 0, fmt.Errorf("%q is neither a number from 0 to 255 nor one of %s", text, strings.Join(names, ", "))
}

// Codes returns both as SMPP has them; what is not set is taken from automatic.
func (n Numbering) Codes(automatic Numbering) (ton, npi byte) {
	if n.TON == "" {
		n.TON = automatic.TON
	}
	if n.NPI == "" {
		n.NPI = automatic.NPI
	}
	ton, _ = codeOf(tonNames, string(n.TON))
	npi, _ = codeOf(npiNames, string(n.NPI))
	return ton, npi
}

// shortCode is the most digits of a number that is not international.
const shortCode = 6

// Codes returns the type of number and the numbering plan of the sender. If they are not
// set, a name is alphanumeric, a number of up to 6 digits is a short code of the network,
// and a longer one is international.
func (s Sender) Codes() (ton, npi byte) {
	n := Numbering{s.TON, s.NPI}
	switch {
	case !digits(s.Address):
		return n.Codes(Numbering{"alphanumeric", "unknown"})
	case len(s.Address) <= shortCode:
		return n.Codes(Numbering{"network", "unknown"})
	}
	return n.Codes(Numbering{"international", "isdn"})
}

// Alphabet is what data_coding 0 means to an SMSC.
type Alphabet string

// The alphabets. Texts with other characters are sent in UCS-2.
const (
	AlphabetGSM    Alphabet = "gsm"    // TS 23.038, one septet in each octet
	AlphabetLatin1 Alphabet = "latin1" // ISO 8859-1
	AlphabetUCS2   Alphabet = "ucs2"   // all texts are sent in UCS-2
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *Alphabet) UnmarshalText(b []byte) error {
	*a = Alphabet(b)
	switch *a {
	case AlphabetGSM, AlphabetLatin1, AlphabetUCS2:
		return nil
	}
	return fmt.Errorf("%q is not %s, %s or %s", b, AlphabetGSM, AlphabetLatin1, AlphabetUCS2)
}

// Mode is the messaging mode of requests to cards (esm_class; SMPP 3.4, clause 2.10).
type Mode string

// The modes.
const (
	ModeTransaction Mode = "transaction"       // the SMSC answers when the phone has the message
	ModeStore       Mode = "store_and_forward" // it answers when it has the message itself
	ModeDefault     Mode = "default"           // as the SMSC likes
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *Mode) UnmarshalText(b []byte) error {
	*m = Mode(b)
	switch *m {
	case ModeTransaction, ModeStore, ModeDefault:
		return nil
	}
	return fmt.Errorf("%q is not %s, %s or %s", b, ModeTransaction, ModeStore, ModeDefault)
}
