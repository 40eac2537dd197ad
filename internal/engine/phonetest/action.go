package phonetest

import "fmt"

// Action is what becomes of a request on a phone.
type Action uint8

// The actions, with the outcome of a request for a signature. An activation is
// completed unless it is cancelled; WrongPIN gives up on it (401), BadSignature
// spoils the proof of the key. A receipt is acknowledged by every action but
// Cancel, TimeOut and Silent.
const (
	Approve      Action = iota // a signature
	Cancel                     // the user declines: 401
	WrongPIN                   // shown, then blocked by wrong PINs: 402
	Blocked                    // not shown, since the PIN is blocked: 402
	Silent                     // shown, and nobody does anything: the engine times out with 208
	BadSignature               // signed, but one bit of the signature is wrong: 503
	Unreachable                // Send fails: 209
	NoKey                      // not shown, since there is no key: 404
	TimeOut                    // of a receipt: nobody touched it while it was shown
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

// String is the action's name, for messages of tests.
func (a Action) String() string {
	if int(a) < len(names) {
		return names[a]
	}
	return fmt.Sprintf("Action(%d)", uint8(a))
}
