package handset

import (
	"slices"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
)

// newPINs is how many rejected new PINs a user tolerates before giving up.
const newPINs = 3

// requestID identifies a request.
type requestID struct {
	transID string
	op      mssp.DeviceOp
}

// request is a request as its user sees it: a sequence of dialogues. All of them have the
// behaviour that was set at the first one.
type request struct {
	requestID
	does  person.Behaviour
	party string // the name of the party that asks; empty: the card does not say

	// Guarded by the lock of the mobile.
	shown    bool   // a dialogue other than that about the party was on the screen
	text     string // of that dialogue
	began    bool   // a key was pressed; the next ones follow at once
	first    string // the new PIN, until it is repeated
	rejected int    // new PINs that the card rejected
	wrong    int    // PINs that the simulated user entered, if they do not know it
}

// begin assigns a dialogue to its request. It reports whether the dialogue is the first
// one, not counting the one that says who asks.
func (m *mobile) begin(d *dialogue) (first bool) {
	id := requestID{d.asks.TransID, d.asks.Op}
	does := m.decided(id)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.request == nil || m.request.requestID != id {
		m.request = &request{requestID: id, does: does, party: d.asks.Party}
	}
	r := m.request
	d.request = r
	first = !r.shown && d.asks.Step != card.StepParty
	if first {
		r.shown, r.text = true, d.Text
	}
	return first
}

// decided is what the user does with a request, with the delay filled in.
func (m *mobile) decided(id requestID) person.Behaviour {
	usual := m.Behaviour()
	if m.net.c.Decide == nil {
		return usual
	}
	b, ok := m.net.c.Decide(m.msisdn, id.transID, id.op)
	if !ok {
		return usual
	}
	if b.After == 0 {
		b.After = m.net.c.Delay
	}
	return b
}

// doing is what the user does with a request now.
func (m *mobile) doing(r *request) person.Behaviour {
	m.mu.Lock()
	defer m.mu.Unlock()
	return r.does
}

// Act lets a simulated user do something else with the request on the screen, at once unless
// the behaviour has a delay. transID is its name at the card. The error is person.ErrNotShown if
// it is not on the screen, and person.ErrUnknown if there is no such handset.
func (h *Network) Act(msisdn, transID string, op mssp.DeviceOp, b person.Behaviour) error {
	m, err := h.find(msisdn)
	if err != nil {
		return err
	}
	m.mu.Lock()
	d := m.shown
	if m.request == nil || m.request.requestID != (requestID{transID, op}) || d == nil || d.request != m.request {
		m.mu.Unlock()
		return person.ErrNotShown
	}
	m.request.does = b
	m.mu.Unlock()
	m.attend(d)
	return nil
}

// Usually returns what the user of a number does with requests; person.ErrUnknown.
func (h *Network) Usually(msisdn string) (person.Behaviour, error) {
	m, err := h.find(msisdn)
	if err != nil {
		return person.Behaviour{}, err
	}
	return m.Behaviour(), nil
}

// sessionEnded is called when the card has no more commands.
func (m *mobile) sessionEnded(t *terminal) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.slot == t {
		m.request = nil
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

// attend lets the simulated user act on a dialogue after the user's delay. A user who does
// nothing needs no timer. Every simulated user leaves the dialogue that says who asks at
// once: behaviours are about texts.
func (m *mobile) attend(d *dialogue) {
	m.mu.Lock()
	who := d.asks.Step == card.StepParty
	after := d.request.does.After
	if d.request.began || who {
		after = 0
	}
	over := slices.Contains(m.dismissed, d.asks.TransID)
	idle := m.byHand || !who && !d.request.does.Acts()
	m.mu.Unlock()
	switch {
	case over:
		m.net.hands.Submit(func() { _ = m.press(d.ID, KeyCancel, "") })
		return
	case idle:
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

// act lets the simulated user press a key, unless a real person has the keys.
func (m *mobile) act(d *dialogue) {
	m.mu.Lock()
	does, rejected, wrong := d.request.does, d.request.rejected, d.request.wrong
	who := d.asks.Step == card.StepParty
	mine := m.shown == d && !m.byHand && (who || does.Acts()) // somebody may hold it since
	if does.Do == person.WrongPIN && d.asks.Step == card.StepPIN {
		if does.Times > 0 && wrong >= does.Times {
			does.Do = person.Approve
		}
		d.request.wrong++
	}
	m.mu.Unlock()
	if !mine {
		return
	}
	key, input := decide(d, does.Do, rejected)
	if m.press(d.ID, key, input) == ErrInput { // the PIN that the user knows does not fit
		_ = m.press(d.ID, KeyCancel, "")
	}
}

// decide returns the key and the input of a simulated user.
func decide(d *dialogue, do person.Action, rejected int) (Key, string) {
	a := d.asks
	switch {
	case (do == person.Cancel || do == person.Report) && a.Step != card.StepNotice && a.Step != card.StepParty:
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

// simulateFault sets the part of a behaviour that the card plays.
func (t *terminal) simulateFault(b person.Behaviour) {
	t.card.SimulateFault(b.Plays(mssp.OpSign), b.Do == person.BadSignature)
}

// report records what the card made of a key. It requires the terminal's line, and is
// called between the card's answer and its next command.
func (m *mobile) report(d *dialogue, key Key, tries int, input string) {
	c := d.of.card
	left, now, known := c.TriesLeft(), c.Asking(), c.KnownPIN()
	m.mu.Lock()
	defer m.mu.Unlock()
	if d.asks.Step == card.StepParty && key == KeyOK {
		return // the text follows
	}
	d.request.began = true
	over := now.Op != d.request.op || now.TransID != d.request.transID || now.Step == card.StepNotice
	switch step := d.asks.Step; {
	case step == card.StepNotice:
	case key == KeyCancel, key == KeyBack && over:
		m.noteEnd(d, person.Cancelled, signum.UserCancel)
	case key == KeyNone:
		m.noteEnd(d, person.TimedOut, 0)
	case key == KeyBack:
	case d.asks.Op == mssp.OpDisplay:
		if over { // otherwise another page follows
			m.note(d, person.Event{Kind: person.Acknowledged})
		}
	case step == card.StepPIN:
		m.reportPIN(d, tries, left)
	case step == card.StepNewPIN && now.Step == card.StepRepeat:
		d.request.first = input
	case step == card.StepRepeat && input == d.request.first && input == known:
		m.note(d, person.Event{Kind: person.PINSet})
	case step == card.StepRepeat, step == card.StepNewPIN:
		m.reportRejection(d, input, over)
	}
}

func (m *mobile) reportPIN(d *dialogue, tries, left int) {
	switch {
	case left == card.MaxTries:
		m.note(d, person.Event{Kind: person.PINRight})
		m.note(d, person.Event{Kind: person.Signed})
	case left == tries: // too late: the card did not check it
	case left > 0:
		m.note(d, person.Event{Kind: person.PINWrong})
	default:
		m.note(d, person.Event{Kind: person.PINWrong, Code: signum.PINBlocked})
	}
}

// reportRejection records that the card rejected a new PIN. over means that the card gave
// up.
func (m *mobile) reportRejection(d *dialogue, input string, over bool) {
	differ := d.asks.Step == card.StepRepeat && input != d.request.first
	e := person.Event{Kind: person.PINRejected, Reason: "a PIN has 4 to 8 digits"}
	if differ {
		e.Reason = "the two PINs are not the same"
	}
	if over {
		e.Code = signum.UserCancel
	}
	d.request.rejected++
	d.request.first = ""
	m.note(d, e)
}

func (m *mobile) noteEnd(d *dialogue, kind person.Kind, code signum.Code) {
	if d.asks.Op == mssp.OpDisplay {
		code = 0
	}
	m.note(d, person.Event{Kind: kind, Code: code})
}

// note completes an event of a request and queues it. The observer gets it once the line
// is free.
func (m *mobile) note(d *dialogue, e person.Event) {
	e.Time, e.DeviceID, e.MSISDN, e.Method = m.net.c.Clock.Now(), d.of.deviceID, m.msisdn, signum.SIM
	e.Op, e.TransID, e.Party, e.Text = d.request.op, d.request.transID, d.request.party, d.request.text
	e.TriesLeft = d.of.card.TriesLeft()
	m.net.seen.Add(e)
}
