package person

import (
	"fmt"
	"strings"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// Action is what becomes of a request on a phone.
type Action uint8

// The actions. The comment gives the outcome of a signature request.
//
// To an activation Approve, Blocked and NoKey set DefaultPIN, for it is what
// helps against the latter two; WrongPIN enters two PINs that differ, three
// times, and gives up: 401; BadSignature spoils the proof. To a receipt Cancel
// presses Cancel, and whoever acts otherwise presses OK.
const (
	Approve      Action = iota // the right PIN is entered: a signature
	Cancel                     // the person declines: 401
	WrongPIN                   // wrong PINs are entered until the device is blocked, which it stays: 402
	Blocked                    // the device says that its PIN is blocked, whatever its counter: 402
	Silent                     // shown, and nobody does anything: the MSSP times out with 208
	BadSignature               // signed, but a bit of the signature is wrong: 503
	Unreachable                // the bearer cannot deliver, Send fails: 209
	NoKey                      // the device says that it has no key: 404
)

var actionNames = [...]string{
	Approve:      "approve",
	Cancel:       "cancel",
	WrongPIN:     "wrong-pin",
	Blocked:      "blocked",
	Silent:       "silent",
	BadSignature: "bad-signature",
	Unreachable:  "unreachable",
	NoKey:        "no-key",
}

// Actions are all actions, in order of their constants.
func Actions() []Action {
	all := make([]Action, len(actionNames))
	for i := range all {
		all[i] = Action(i)
	}
	return all
}

// String is the name that ParseBehaviour understands, for example wrong-pin.
func (a Action) String() string {
	if int(a) < len(actionNames) {
		return actionNames[a]
	}
	return fmt.Sprintf("Action(%d)", uint8(a))
}

// Behaviour is what a person does with a request and when. The zero value
// approves after the network's usual delay.
type Behaviour struct {
	Do Action
	// After is the time from the arrival of the request to the answer; zero
	// means the network's usual delay. It does not matter to Silent and
	// Unreachable.
	After time.Duration
}

// Plays is the code that the device must answer to this operation without
// asking anybody, 0 if it decides for itself.
func (b Behaviour) Plays(op mssp.DeviceOp) signum.Code {
	switch {
	case op != mssp.OpSign:
		return 0
	case b.Do == Blocked:
		return signum.PINBlocked
	case b.Do == NoKey:
		return signum.NoKeyFound
	}
	return 0
}

// Delayed approves after d.
func Delayed(d time.Duration) Behaviour { return Behaviour{Do: Approve, After: d} }

// ParseBehaviour reads an action's name, alone or with a delay in Go's
// notation: "cancel", "approve:5s".
func ParseBehaviour(s string) (Behaviour, error) {
	name, after, delayed := strings.Cut(s, ":")
	for i, known := range actionNames {
		if name != known {
			continue
		}
		b := Behaviour{Do: Action(i)}
		if delayed {
			d, err := time.ParseDuration(after)
			if err != nil {
				return Behaviour{}, fmt.Errorf("behaviour %q: %w", s, err)
			}
			b.After = d
		}
		return b, b.Check()
	}
	return Behaviour{}, fmt.Errorf("behaviour %q: the action is one of %s", s, strings.Join(actionNames[:], ", "))
}

// String is what ParseBehaviour reads.
func (b Behaviour) String() string {
	if b.After == 0 {
		return b.Do.String()
	}
	return b.Do.String() + ":" + b.After.String()
}

// Check reports what is impossible about the behaviour.
func (b Behaviour) Check() error {
	if int(b.Do) >= len(actionNames) {
		return fmt.Errorf("behaviour: there is no %s", b.Do)
	}
	if b.After < 0 {
		return fmt.Errorf("behaviour %s: the delay is negative", b)
	}
	return nil
}
