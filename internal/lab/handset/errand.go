package handset

import (
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
)

// newPINs is after how many new PINs that the card rejects a person gives up.
const newPINs = 3

// name tells one request from another.
type name struct {
	transID string
	op      mssp.DeviceOp
}

// errand is a request as its person sees it: a number of dialogues. They keep
// the behaviour that the person had at the first of them.
type errand struct {
	name
	does person.Behaviour
	text string // of the first dialogue

	// Guarded by the lock of the mobile.
	began    bool   // a key was pressed: the next ones follow at once
	first    string // new PIN, until it is repeated
	rejected int    // new PINs that were not taken
}

// begin finds or makes the errand of a dialogue.
func (m *mobile) begin(d *dialogue) (fresh bool) {
	does := m.Behaviour()
	m.mu.Lock()
	defer m.mu.Unlock()
	id := name{d.asks.TransID, d.asks.Op}
	fresh = m.errand == nil || m.errand.name != id
	if fresh {
		m.errand = &errand{name: id, does: does, text: d.Text}
	}
	d.errand = m.errand
	return fresh
}

// sessionEnded is that the card wants nothing more.
func (m *mobile) sessionEnded(t *terminal) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.slot == t {
		m.errand = nil
		m.changed()
	}
}

func (m *mobile) takeOver(on bool) {
	m.mu.Lock()
	m.byHand = on
	d := m.shown
	m.mu.Unlock()
	if !on && d != nil {
		m.attend(d)
	}
}

// attend lets the simulated person act on a dialogue, in their time. A person
// who does nothing costs nothing.
func (m *mobile) attend(d *dialogue) {
	m.mu.Lock()
	after := d.errand.does.After
	if d.errand.began {
		after = 0
	}
	idle := m.byHand || d.errand.does.Do == person.Silent || d.errand.does.Do == person.Unreachable
	m.mu.Unlock()
	if idle {
		return
	}
	act := func() { m.act(d) }
	if after == 0 {
		m.net.hands.Submit(act)
		return
	}
	time.AfterFunc(after, func() {
		defer event.Rescue(m.net.c.Logger, "person at a handset")
		m.net.hands.Submit(act)
	})
}

// act is the simulated person at a dialogue, unless somebody else has the keys.
func (m *mobile) act(d *dialogue) {
	m.mu.Lock()
	mine := m.shown == d && !m.byHand
	do, rejected := d.errand.does.Do, d.errand.rejected
	m.mu.Unlock()
	if !mine {
		return
	}
	key, input := decide(d, do, rejected)
	if m.press(d.ID, key, input) == ErrInput { // what they know does not fit
		_ = m.press(d.ID, KeyCancel, "")
	}
}

// decide is what a person does with a dialogue.
func decide(d *dialogue, do person.Action, rejected int) (Key, string) {
	a := d.asks
	switch {
	case do == person.Cancel && a.Step != card.StepNotice:
		return KeyCancel, ""
	case d.Kind == DisplayText:
		return KeyOK, ""
	case do == person.WrongPIN && a.Op == mssp.OpActivate && rejected >= newPINs:
		return KeyCancel, ""
	}
	pin := person.DefaultPIN
	if a.Step == card.StepPIN {
		pin = d.of.card.KnownPIN()
	}
	if do == person.WrongPIN && a.Step != card.StepNewPIN {
		pin = person.NotThePIN(pin)
	}
	return KeyOK, pin
}

// pose sets what of a behaviour is the card's.
func (t *terminal) pose(b person.Behaviour) {
	t.card.SimulateFault(b.Plays(mssp.OpSign), b.Do == person.BadSignature)
}

// judge tells what came of a key. It is called with the line of the terminal
// held, when the card has answered and before it says what follows.
func (m *mobile) judge(d *dialogue, key Key, tries int, input string) {
	c := d.of.card
	left, now, known := c.TriesLeft(), c.Asking(), c.KnownPIN()
	m.mu.Lock()
	defer m.mu.Unlock()
	d.errand.began = true
	over := now.Op != d.errand.op || now.TransID != d.errand.transID || now.Step == card.StepNotice
	switch step := d.asks.Step; {
	case step == card.StepNotice:
	case key == KeyCancel, key == KeyBack && over:
		m.noteEnd(d, person.Cancelled, signum.UserCancel)
	case key == KeyNone:
		m.noteEnd(d, person.TimedOut, 0)
	case key == KeyBack:
	case d.asks.Op == mssp.OpDisplay:
		if over { // else another page follows
			m.note(d, person.Event{Kind: person.Acknowledged})
		}
	case step == card.StepPIN:
		m.judgePIN(d, tries, left)
	case step == card.StepNewPIN && now.Step == card.StepRepeat:
		d.errand.first = input
	case step == card.StepRepeat && input == d.errand.first && input == known:
		m.note(d, person.Event{Kind: person.PINSet})
	case step == card.StepRepeat, step == card.StepNewPIN:
		m.judgeRejection(d, input, over)
	}
}

func (m *mobile) judgePIN(d *dialogue, tries, left int) {
	switch {
	case left == card.MaxTries:
		m.note(d, person.Event{Kind: person.PINRight})
		m.note(d, person.Event{Kind: person.Signed})
	case left == tries: // too late: the card did not look at it
	case left > 0:
		m.note(d, person.Event{Kind: person.PINWrong})
	default:
		m.note(d, person.Event{Kind: person.PINWrong, Code: signum.PINBlocked})
	}
}

// judgeRejection tells of a new PIN that the card did not take. In the end it
// gives up.
func (m *mobile) judgeRejection(d *dialogue, input string, over bool) {
	differ := d.asks.Step == card.StepRepeat && input != d.errand.first
	e := person.Event{Kind: person.PINRejected, Reason: "a PIN has 4 to 8 digits"}
	if differ {
		e.Reason = "the two PINs are not the same"
	}
	if over {
		e.Code = signum.UserCancel
	}
	d.errand.rejected++
	d.errand.first = ""
	m.note(d, e)
}

func (m *mobile) noteEnd(d *dialogue, kind person.Kind, code signum.Code) {
	if d.asks.Op == mssp.OpDisplay {
		code = 0
	}
	m.note(d, person.Event{Kind: kind, Code: code})
}

// note completes an event of a request and queues it. It is told once the line
// is free.
func (m *mobile) note(d *dialogue, e person.Event) {
	e.Time, e.DeviceID, e.MSISDN, e.Method = m.net.c.Clock.Now(), d.of.deviceID, m.msisdn, signum.SIM
	e.Op, e.TransID, e.Text = d.errand.op, d.errand.transID, d.errand.text
	e.TriesLeft = d.of.card.TriesLeft()
	m.net.seen.Add(e)
}
