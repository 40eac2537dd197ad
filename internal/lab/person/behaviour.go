package person

import (
	"fmt"
	"strings"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// Action is what happens to a request on a phone.
type Action uint8

// The actions, with the outcome of a signature request.
//
// On an activation, Approve, Blocked and NoKey set DefaultPIN, because activation
// cures the latter two; WrongPIN enters two different PINs three times and gives
// up: 401; BadSignature spoils the proof of possession. On a receipt, Cancel and
// Report press Cancel, and all others that act press OK.
const (
	Approve      Action = iota // the right PIN is entered: a signature
	Cancel                     // the person declines: 401
	WrongPIN                   // wrong PINs are entered until the device is blocked for good: 402
	Blocked                    // the device reports a blocked PIN, whatever its counter: 402
	Silent                     // the request is shown and ignored, until the service times out: 208
	BadSignature               // the signature has a wrong bit: 503
	Unreachable                // the request cannot be delivered: 209
	NoKey                      // the device reports that it has no key: 404
	Report                     // the person declines with "This was not me", on a SIM with Cancel: 401
	Hold                       // the request is shown and waits for a test to say what happens to it: 208 if none does
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
	Report:       "report",
	Hold:         "hold",
}

// Actions returns all actions, in the order of their constants.
func Actions() []Action {
	all := make([]Action, len(actionNames))
	for i := range all {
		all[i] = Action(i)
	}
	return all
}

// String returns the name for ParseBehaviour, such as wrong-pin.
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
	// After is the time from the arrival of the request to the person's reaction.
	// 0 means the usual delay of the network. Silent, Hold and Unreachable ignore it.
	After time.Duration
	// Times is how many wrong PINs come before the right one, of WrongPIN; 0: until the
	// device is blocked.
	Times int
}

// Acts reports whether the person does anything at all.
func (b Behaviour) Acts() bool { return b.Do != Silent && b.Do != Hold && b.Do != Unreachable }

// Decider says what a person does with one request, if that is not what they usually do.
// transID is its name on the phone: on a handset, that of the card.
type Decider func(msisdn, transID string, op mssp.DeviceOp) (Behaviour, bool)

// Plays returns the code that the device must answer to this operation without
// asking its user; 0 if it asks.
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

// Delayed returns the behaviour that approves after d.
func Delayed(d time.Duration) Behaviour { return Behaviour{Do: Approve, After: d} }

// ParseBehaviour parses the name of an action, optionally with a delay:
// "cancel", "approve:5s".
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
	return Behaviour{}, fmt.Errorf("behaviour %q: the action must be one of %s", s, strings.Join(actionNames[:], ", "))
}

// String returns the form that ParseBehaviour parses.
func (b Behaviour) String() string {
	if b.After == 0 {
		return b.Do.String()
	}
	return b.Do.String() + ":" + b.After.String()
}

// Check returns an error if the behaviour is invalid.
func (b Behaviour) Check() error {
	if int(b.Do) >= len(actionNames) {
		return fmt.Errorf("behaviour: there is no %s", b.Do)
	}
	if err := CheckDelay(b.After); err != nil {
		return fmt.Errorf("behaviour %s: %w", b, err)
	}
	return nil
}

// maxDelay is longer than any request waits for its user.
const maxDelay = time.Hour

// CheckDelay returns an error if nobody can react after this time.
func CheckDelay(d time.Duration) error {
	switch {
	case d < 0:
		return fmt.Errorf("the delay %s is negative", d)
	case d > maxDelay:
		return fmt.Errorf("the delay %s is longer than an hour; for a user who never reacts there is the behaviour %s", d, Silent)
	}
	return nil
}
