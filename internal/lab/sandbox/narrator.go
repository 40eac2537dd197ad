package sandbox

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/lab/person"
)

// Narrator prints what the application provider (AP), the service (MSSP) and the phone
// do, step by step.
type Narrator struct {
	mu    sync.Mutex
	out   io.Writer
	start time.Time
	on    bool
	asked string // number of the user whom the example asks
}

// NewNarrator returns a Narrator that writes to out while an example runs.
func NewNarrator(out io.Writer) *Narrator { return &Narrator{out: out} }

// Write prints what others have to say, in between.
func (n *Narrator) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.out.Write(p)
}

// Phone prints an event of a phone; see Config.Observe. Only the phone that the example
// asks is part of its story.
func (n *Narrator) Phone(e person.Event) {
	if e.Kind == person.Text {
		n.text(e)
		return
	}
	n.mu.Lock()
	asked := n.asked
	n.mu.Unlock()
	if e.MSISDN != asked {
		return
	}
	who := string(e.Method)
	switch e.Kind {
	case person.Shown:
		from := ""
		if e.Party != "" {
			from = ", from " + e.Party
		}
		n.step(who, "shows%s: %q", from, e.Text)
	case person.PINRight:
		n.step(who, "the text matches what is to be signed; PIN entered")
	case person.Signed:
		n.step(who, "signed with its own key")
	default:
		n.step(who, "%s %s", e.Kind, e.Reason)
	}
}

// text shows a text message even when no example runs: there is no other phone on
// which to read it.
func (n *Narrator) text(e person.Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fmt.Fprintf(n.out, "text message to %s: %q\n", e.MSISDN, e.Text)
}

func (n *Narrator) step(who, format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.on {
		fmt.Fprintf(n.out, "  %4d ms  %-4s  %s\n", time.Since(n.start).Milliseconds(), who, fmt.Sprintf(format, args...))
	}
}

// more prints what belongs to the last step.
func (n *Narrator) more(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.on {
		fmt.Fprintf(n.out, "%17s%s\n", "", fmt.Sprintf(format, args...))
	}
}

func (n *Narrator) begin(title, msisdn string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.on, n.asked, n.start = true, msisdn, time.Now()
	fmt.Fprintf(n.out, "\n%s\n", title)
}

func (n *Narrator) end() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.on = false
}
