package script

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
)

// Operations of requests to phones.
const (
	Signature  = "signature"
	Activation = "activation"
	Receipt    = "receipt"
)

// OperationOf names what a phone is asked for.
func OperationOf(op mssp.DeviceOp) string {
	return map[mssp.DeviceOp]string{mssp.OpSign: Signature, mssp.OpActivate: Activation, mssp.OpDisplay: Receipt}[op]
}

// Request is what a step looks at.
type Request struct {
	Operation string
	Method    signum.Method
	APID      string
	Profile   func() string // URI; it is asked for only if a step wants to know
	Text      string
}

// Match says which requests a step is for. Members that are empty match every request.
type Match struct {
	Operation string        `json:"operation,omitempty"`
	Method    signum.Method `json:"method,omitempty"`
	APID      string        `json:"ap_id,omitempty"`
	Profile   string        `json:"profile,omitempty"` // URI
	Text      Text          `json:"text,omitzero"`
	// Nth is which of the requests that match otherwise, since the step was set, from 1; 0: the
	// first.
	Nth int `json:"nth,omitempty"`
}

// Text says what a text must be. All members that are set must hold.
type Text struct {
	Equals   string `json:"equals,omitempty"`
	Contains string `json:"contains,omitempty"`
	Matches  string `json:"matches,omitempty"` // a regular expression of Go (RE2), anywhere in the text
}

// The acts that a user cannot do: they are those of a phone that is broken, or not the user's.
const (
	WrongKey  = "wrong-key"  // the signature is by another key: 503
	OtherText = "other-text" // the phone shows and signs another text: 503
	Twice     = "twice"      // the user approves, and the answer comes twice
	Late      = "late"       // the user approves, and the answer comes when it is too late
)

var broken = []string{WrongKey, OtherText, Twice, Late}

// Broken reports whether an act breaks a rule, so that nobody takes its outcome for a fault of
// the service or the client.
func (a *Act) Broken() bool {
	return slices.Contains(broken, a.Do) || a.Do == person.BadSignature.String()
}

// Act is what happens to a request.
type Act struct {
	Do string `json:"do"` // an action of package person, or one of the constants here
	// After is the time from the arrival of the request to the user's reaction, such as 2s;
	// empty: as usual.
	After string `json:"after,omitempty"`
	// Times is how many wrong PINs come before the right one, of wrong-pin; 0: until the PIN is
	// blocked.
	Times int `json:"times,omitempty"`
	// Location is where the user is from then on; see person.ParsePlace.
	Location string `json:"location,omitempty"`
}

// Step is an entry of a script.
type Step struct {
	Match Match `json:"match,omitzero"`
	Act   Act   `json:"act"`
	// Times is how many requests the step is for; 0: one. Negative: all that come.
	Times int `json:"times,omitempty"`
}

// Acts returns the names of all acts.
func Acts() []string {
	var names []string
	for _, a := range person.Actions() {
		names = append(names, a.String())
	}
	return append(names, broken...)
}

// Check returns an error if an act is none.
func (a *Act) Check() error {
	if !slices.Contains(Acts(), a.Do) {
		return fmt.Errorf("act: do must be one of %s, not %q", strings.Join(Acts(), ", "), a.Do)
	}
	if _, err := a.Behaviour(); err != nil {
		return err
	}
	if a.Times < 0 || a.Times >= 3 || a.Times > 0 && a.Do != person.WrongPIN.String() {
		return errors.New("act: times is how many wrong PINs come before the right one, 1 or 2, of wrong-pin")
	}
	if a.Location != "" {
		if _, err := person.ParsePlace(a.Location); err != nil {
			return err
		}
	}
	return nil
}

// Behaviour is what the user does.
func (a *Act) Behaviour() (person.Behaviour, error) {
	do := a.Do
	if slices.Contains(broken, do) {
		do = person.Approve.String()
	}
	b, err := person.ParseBehaviour(do)
	if err != nil {
		return b, err
	}
	if b.Times = a.Times; a.After != "" {
		if b.After, err = time.ParseDuration(a.After); err != nil {
			return b, fmt.Errorf("act: after: %w", err)
		}
	}
	return b, b.Check()
}

// Check returns an error if a step is wrong.
func (s *Step) Check() error {
	m := &s.Match
	if m.Operation != "" && !slices.Contains([]string{Signature, Activation, Receipt}, m.Operation) {
		return fmt.Errorf("match: operation must be %s, %s or %s, not %q", Signature, Activation, Receipt, m.Operation)
	}
	if m.Method != "" && mssp.MethodOf(m.Method).Method == "" {
		return fmt.Errorf("match: method must be %s or %s, not %q", signum.SIM, signum.App, m.Method)
	}
	if m.Nth < 0 {
		return fmt.Errorf("match: nth counts from 1, not %d", m.Nth)
	}
	if _, err := regexp.Compile(m.Text.Matches); err != nil {
		return fmt.Errorf("match: text: %w", err)
	}
	return s.Act.Check()
}

// Queue is a script that is being played. It is safe for concurrent use.
type Queue struct {
	mu    sync.Mutex
	steps []*waiting
}

// waiting is a step that is not over.
type waiting struct {
	Step
	re   *regexp.Regexp // nil: any text
	seen int            // requests that matched but for Nth
}

// Check returns an error that names the first step that is wrong.
func Check(steps []Step) error {
	for i, s := range steps {
		if err := s.Check(); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return nil
}

// Set replaces the steps, Add appends some. A step that is wrong changes nothing.
func (q *Queue) Set(steps []Step) error { return q.put(steps, false) }

// Add appends steps.
func (q *Queue) Add(steps []Step) error { return q.put(steps, true) }

func (q *Queue) put(steps []Step, more bool) error {
	if err := Check(steps); err != nil {
		return err
	}
	var added []*waiting
	for _, s := range steps {
		w := &waiting{Step: s}
		if s.Match.Text.Matches != "" {
			w.re = regexp.MustCompile(s.Match.Text.Matches) // Check has compiled it
		}
		added = append(added, w)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if more {
		added = append(slices.Clone(q.steps), added...)
	}
	q.steps = added
	return nil
}

// Steps returns what is left of the script.
func (q *Queue) Steps() []Step {
	q.mu.Lock()
	defer q.mu.Unlock()
	list := make([]Step, 0, len(q.steps))
	for _, w := range q.steps {
		list = append(list, w.Step)
	}
	return list
}

// Take returns what happens to a request, by the first step that matches. Steps before it
// count the request, if it is one of those that they wait for.
func (q *Queue) Take(r *Request) (Act, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, w := range q.steps {
		if !w.fits(r) {
			continue
		}
		if w.seen++; w.seen < w.Match.Nth {
			continue
		}
		switch {
		case w.Times < 0: // for all that come
		case w.Times <= 1:
			q.steps = slices.Delete(slices.Clone(q.steps), i, i+1)
		default:
			w.Times--
		}
		return w.Act, true
	}
	return Act{}, false
}

func (w *waiting) fits(r *Request) bool {
	m := &w.Match
	switch {
	case m.Operation != "" && m.Operation != r.Operation,
		m.Method != "" && m.Method != r.Method,
		m.APID != "" && m.APID != r.APID,
		m.Text.Equals != "" && m.Text.Equals != r.Text,
		!strings.Contains(r.Text, m.Text.Contains):
		return false
	case m.Profile != "" && m.Profile != r.Profile():
		return false
	}
	return w.re == nil || w.re.MatchString(r.Text)
}
