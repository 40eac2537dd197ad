package sim

import (
	"fmt"
	"strings"
)

// state is what a request is doing. docs/sim.md draws the states; a test compares
// the drawing with what the code does.
type state uint8

const (
	waiting   state = iota // for the card's answer, or for the time of the next attempt
	queued                 // for a worker that submits
	sending                // a worker is making the packet, or the SMSC has not answered yet
	answering              // for the engine to take the answer
	ended                  // no longer in the table
)

var stateNames = [...]string{"waiting", "queued", "sending", "answering", "ended"}

func (s state) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// flags are what is known about a request besides its state.
type flags uint16

const (
	asked     flags = 1 << iota // the card accepted a packet of this step: it is asking its user
	proved                      // the card accepted the last packet
	reached                     // the applet answered, no matter what
	delivered                   // a receipt says that a packet reached the phone
	submitted                   // the SMSC took the last attempt
	failed                      // the last attempt failed in the service, not in the network
	givenUp                     // nothing more is sent; a reply is still taken
	unheard                     // the last message of its phone could not be handled, because the service failed
	locating                    // the network is being asked where the phone is
	written                     // the store has a row of it, see Channel.keepProgress
)

var flagNames = [...]string{"asked", "proved", "reached", "delivered", "submitted", "failed", "givenUp", "unheard", "locating", "written"}

// has reports whether any of the flags is set.
func (f flags) has(any flags) bool { return f&any != 0 }

func (f flags) String() string {
	var set []string
	for i, name := range flagNames {
		if f.has(1 << i) {
			set = append(set, name)
		}
	}
	return strings.Join(set, "+")
}
