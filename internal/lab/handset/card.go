package handset

import (
	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/card"
)

// SIM is a card in the slot of a handset. The protocol uses Transmit alone. The other
// methods are for the simulated person, who knows the PIN, and for the sandbox, which
// simulates faults.
type SIM interface {
	// Transmit gives the card a command APDU; the answer ends with SW1 SW2.
	Transmit(apdu []byte) []byte
	// KnownPIN returns the PIN that the card's user knows.
	KnownPIN() string
	// TriesLeft returns how many wrong PINs the card still accepts.
	TriesLeft() int
	// Asking describes the command that the handset is processing.
	Asking() card.Asking
	// SimulateFault makes the card answer later signature requests with this code
	// (0: normally), and corrupt its signatures if corrupt is set.
	SimulateFault(code signum.Code, corrupt bool)
}

var _ SIM = (*card.Card)(nil)
