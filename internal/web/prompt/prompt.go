package prompt

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// Times of a prompt.
const (
	Timeout   = 80 * time.Second          // of the signature request
	answerBy  = Timeout + 2*time.Second   // for its outcome
	typeBy    = answerBy + 60*time.Second // for the code of a SIM; a page must not tell by its end whether there was a signature
	Claim     = time.Minute               // to use the approval
	CodeAfter = time.Second               // when the page may show the code of an App: by then the request has been made or refused
	pause     = time.Second               // between status queries
)

// maxTries is how many wrong codes end a prompt.
const maxTries = 3

// simDigits is the length of the code in the text of a SIM.
const simDigits = 6

// State is how far a prompt is.
type State string

// The states. Pages that strangers see must show Waiting for all from Declined to
// Failed: see Public.
const (
	Waiting  State = "waiting"
	Approved State = "approved"
	Declined State = "declined"
	Reported State = "reported" // declined with "This was not me"
	Blocked  State = "blocked"  // the PIN or passcode
	Failed   State = "failed"   // without an answer of the user
	Wrong    State = "wrong"    // the code was typed wrongly too often
	TimedOut State = "timeout"
)

// Prompt is one question to a phone.
type Prompt struct {
	Number string
	Method signum.Method
	clock  mssp.Clock
	giveUp context.CancelFunc

	mu       sync.Mutex
	started  time.Time
	code     string // App: for the page, empty until the request was made or refused; SIM: in the text
	outcome  State  // of the request; empty: none yet
	typed    bool   // the code of a SIM was typed correctly
	wrong    int    // codes
	approved time.Time
	transID  string
}

// State returns the state with all that is known of the phone.
func (p *Prompt) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state(p.clock.Now())
}

// Public returns the state as a stranger may see it: it depends on the phone only
// if the user has approved.
func (p *Prompt) Public() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	switch s := p.state(now); s {
	case Declined, Reported, Blocked, Failed:
		if now.Before(p.deadline()) {
			return Waiting
		}
		return TimedOut
	default:
		return s
	}
}

func (p *Prompt) state(now time.Time) State {
	switch {
	case p.wrong >= maxTries:
		return Wrong
	case !p.approved.IsZero():
		if now.Sub(p.approved) < Claim {
			return Approved
		}
		return TimedOut
	case p.outcome != "" && p.outcome != Approved:
		return p.outcome
	case now.Before(p.deadline()):
		return Waiting
	}
	return TimedOut
}

// deadline is when a prompt without an approval is over.
func (p *Prompt) deadline() time.Time {
	if p.Method == signum.SIM {
		return p.started.Add(typeBy)
	}
	return p.started.Add(answerBy)
}

// Age is how long ago the prompt was made.
func (p *Prompt) Age() time.Duration { return p.clock.Now().Sub(p.started) }

// PageCode returns the code that the page shows for an App. It is empty until
// CodeAfter, and for a SIM.
func (p *Prompt) PageCode() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.Method == signum.SIM || p.clock.Now().Sub(p.started) < CodeAfter {
		return ""
	}
	return p.code
}

// Try compares what the user typed with the code of a SIM, and reports whether it is
// right. The third wrong code ends the prompt. An empty one costs nothing.
func (p *Prompt) Try(typed string) bool {
	typed = strings.NewReplacer(" ", "", "-", "").Replace(typed)
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	switch {
	case p.Method != signum.SIM || typed == "" || p.wrong >= maxTries || !now.Before(p.deadline()):
		return false
	case p.code == "" || subtle.ConstantTimeCompare([]byte(typed), []byte(p.code)) != 1:
		if p.wrong++; p.wrong >= maxTries {
			p.giveUp()
		}
		return false
	}
	p.typed = true
	p.approve(now)
	return true
}

// Left is how many more wrong codes are possible.
func (p *Prompt) Left() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maxTries - p.wrong
}

// Typed reports whether the code was typed correctly.
func (p *Prompt) Typed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.typed
}

// TransID is the transaction of an approved prompt.
func (p *Prompt) TransID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.transID
}

// End stops waiting for the phone. The state becomes Failed unless it is final.
func (p *Prompt) End() {
	p.giveUp()
	p.finish(Failed, "")
}

// offer sets the code that the App offers. It is not changed.
func (p *Prompt) offer(code string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.code == "" {
		p.code = code
	}
}

// finish records the outcome of the request, once.
func (p *Prompt) finish(s State, transID string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.outcome != "" {
		return
	}
	p.outcome, p.transID = s, transID
	p.approve(p.clock.Now())
}

// approve completes a prompt that has all it needs.
func (p *Prompt) approve(now time.Time) {
	if p.outcome == Approved && (p.typed || p.Method != signum.SIM) && p.approved.IsZero() && p.wrong < maxTries {
		p.approved = now
	}
}

// pageCode returns a code like those that the service chooses for Apps.
func pageCode() string { return fmt.Sprint(10 + random()%90) }

func simCode() string { return fmt.Sprintf("%0*d", simDigits, random()%1_000_000) }

func random() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.BigEndian.Uint64(b[:])
}
