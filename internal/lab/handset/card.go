package handset

import (
	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/card"
)

// SIM is a card in the slot of a handset. Transmit is the only door of the
// protocol, and what the handset goes by. The rest is for the person: what they
// know without reading, and for the sandbox, which lets cards fail.
type SIM interface {
	// Transmit gives the card a command APDU; the answer ends with SW1 SW2.
	Transmit(apdu []byte) []byte
	// KnownPIN is what the card's person knows.
	KnownPIN() string
	// TriesLeft is how many wrong PINs the card still takes.
	TriesLeft() int
	// Asking is what the command is for that the handset has.
	Asking() card.Asking
	// SimulateFault makes the card answer later signature requests with this code
	// (0: normally), and corrupt its signatures if corrupt is set.
	SimulateFault(code signum.Code, corrupt bool)
}

var _ SIM = (*card.Card)(nil)
