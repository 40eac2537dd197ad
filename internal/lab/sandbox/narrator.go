package sandbox

import (
	"cmp"
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
}

// NewNarrator returns a Narrator that writes to out while an example runs.
func NewNarrator(out io.Writer) *Narrator { return &Narrator{out: out} }

// Write prints what others have to say, in between.
func (n *Narrator) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.out.Write(p)
}

// Phone prints an event of a phone; see Config.Observe.
func (n *Narrator) Phone(e person.Event) {
	who := fmt.Sprintf("phone %s", cmp.Or(string(e.Method), "SMS"))
	switch e.Kind {
	case person.Text:
		n.text(e)
	case person.Shown:
		from := ""
		if e.Party != "" {
			from = "a request of " + e.Party + ": "
		}
		n.step(who, "%s shows %s%q", e.MSISDN, from, e.Text)
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
		fmt.Fprintf(n.out, "  %4d ms  %-9s  %s\n", time.Since(n.start).Milliseconds(), who, fmt.Sprintf(format, args...))
	}
}

func (n *Narrator) begin(title string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.on, n.start = true, time.Now()
	fmt.Fprintf(n.out, "\n%s\n", title)
}

func (n *Narrator) end() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.on = false
}
