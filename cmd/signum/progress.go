package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
)

// plainInterval is how often progress is printed if the output is not a terminal.
const plainInterval = 10 * time.Second

// progress shows how long the command has been waiting for the user: on a
// terminal in one line that changes, otherwise in a line now and then.
type progress struct {
	w     io.Writer
	live  bool
	shown bool // the line that changes is on the screen
	last  time.Duration
}

func newProgress(w io.Writer) *progress { return &progress{w: w, live: isTerminal(w)} }

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	fi, err := f.Stat()
	return err == nil && fi.Mode()&os.ModeCharDevice != 0
}

// begin says what the command waits for, if that can be erased later.
func (p *progress) begin(msisdn string, limit time.Duration) {
	if p.live {
		fmt.Fprintf(p.w, "\r\x1b[Kwaiting for the user of %s, up to %s", printable(msisdn), limit)
		p.shown = true
	}
}

func (p *progress) update(u client.Progress) {
	waited := u.Waited.Round(time.Second)
	switch {
	case p.live:
		fmt.Fprintf(p.w, "\r\x1b[Ktransaction %s: waiting for the user, %s", printable(u.TransID), waited)
		p.shown = true
	case u.Status == signum.RequestOK || waited-p.last >= plainInterval:
		fmt.Fprintf(p.w, "transaction %s: waiting for the user, %s\n", printable(u.TransID), waited)
		p.last = waited
	}
}

// done erases the line that changes.
func (p *progress) done() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}
