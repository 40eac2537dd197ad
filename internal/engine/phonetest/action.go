package phonetest

import "fmt"

// Action is what a user or a phone does with a request.
type Action uint8

// The actions, with the outcome of a request for a signature. In an activation, Cancel and
// WrongPIN give up (401), and BadSignature corrupts the proof of the key; the other actions
// complete it, except Silent. A receipt is acknowledged by every action except Cancel,
// TimeOut and Silent.
const (
	Approve      Action = iota // a signature
	Cancel                     // the user declines: 401
	WrongPIN                   // shown, then blocked by wrong PINs: 402
	Blocked                    // not shown, because the PIN is blocked: 402
	Silent                     // shown, and the user does nothing: the engine times out with 208
	BadSignature               // signed, but one bit of the signature is wrong: 503
	Unreachable                // Send fails: 209
	NoKey                      // not shown, because there is no key: 404
	TimeOut                    // a receipt was shown, and the user pressed no key
)

var names = [...]string{
	Approve:      "approve",
	Cancel:       "cancel",
	WrongPIN:     "wrong-pin",
	Blocked:      "blocked",
	Silent:       "silent",
	BadSignature: "bad-signature",
	Unreachable:  "unreachable",
	NoKey:        "no-key",
	TimeOut:      "time-out",
}

// String returns the action's name, for messages of tests.
func (a Action) String() string {
	if int(a) < len(names) {
		return names[a]
	}
	return fmt.Sprintf("Action(%d)", uint8(a))
}
