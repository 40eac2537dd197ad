package handset

import (
	"sync"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/lab/person"
)

// maxCommands bounds how many commands a card may issue in a row that need neither the
// user nor the network.
const maxCommands = 64

// terminal is the toolkit of a handset with one card (ETSI TS 102 223). At most one
// proactive command is open. The card gets ENVELOPEs meanwhile, but the handset fetches
// the commands that follow from them only after the response to the open one.
type terminal struct {
	m        *mobile
	deviceID string

	// line guards the card's contacts. It is held for an APDU and for everything
	// that follows immediately from the answer, but not while the user thinks or a
	// message is being sent. Lock order: line, then m.mu.
	line sync.Mutex
	card SIM
	open bool // a command was fetched and has no response yet
	owed int  // length of the command to fetch, in octets; 0: none
	out  bool // the card has been removed
}

// start begins a session: it tells the card what the handset can do.
func (t *terminal) start() {
	t.line.Lock()
	defer t.line.Unlock()
	if _, sw := t.transmit(apdu(insTerminalProfile, profile)); sw != swOK && sw>>8 != 0x91 {
		t.log("a card refused the terminal profile", sw)
	}
	if t.owed > 0 {
		t.m.net.hands.Submit(t.proceed)
	}
}

// takeOut removes the card.
func (t *terminal) takeOut() {
	t.line.Lock()
	defer t.line.Unlock()
	t.out = true
}

// download gives the card an SMS-DELIVER and returns the card's immediate answer. The
// card's commands run afterwards, in another goroutine. ok is false if the card has
// been removed.
func (t *terminal) download(does person.Behaviour, env []byte) (data []byte, sw uint16, ok bool) {
	t.line.Lock()
	defer t.line.Unlock()
	if t.out {
		return nil, 0, false
	}
	if !t.open {
		t.simulateFault(does)
	}
	data, sw = t.transmit(env)
	if t.owed > 0 && !t.open {
		t.m.net.hands.Submit(t.proceed)
	}
	return data, sw, true
}

// proceed is advance for callers that do not hold the line.
func (t *terminal) proceed() {
	t.line.Lock()
	t.advance()
	t.line.Unlock()
	t.m.net.seen.Flush()
}

// Call all of the following with the line held, except answer and sendSM.

func (t *terminal) transmit(apdu []byte) (data []byte, sw uint16) {
	data, sw = splitAnswer(t.card.Transmit(apdu))
	if sw>>8 == 0x91 {
		if t.owed = int(sw & 0xff); t.owed == 0 {
			t.owed = 256
		}
	}
	return data, sw
}

// advance runs commands until one has to wait, or until the card has no more, which
// ends the session.
func (t *terminal) advance() {
	for n := 0; !t.out && !t.open && t.owed > 0; n++ {
		if n == maxCommands {
			t.log("a card issues commands without end", 0)
			t.owed = 0
			break
		}
		fetch := fetchAPDU(t.owed)
		t.owed = 0
		data, sw := t.transmit(fetch)
		if sw != swOK && sw>>8 != 0x91 {
			t.log("a card announced a command and had none", sw)
			break
		}
		t.owed = 0 // the answer to the response announces the next command
		t.run(data)
	}
	if !t.open {
		t.m.sessionEnded(t)
	}
}

func (t *terminal) run(data []byte) {
	c, answerable, err := parseCommand(data)
	switch {
	case !answerable:
		t.log("a card issued a malformed command", 0)
	case err != nil:
		t.respond(c.header, resultNotUnderstood)
	case c.kind == cmdDisplayText, c.kind == cmdGetInput:
		t.ask(&c)
	case c.kind == cmdSendSM && c.qualifier&smPacking == 0:
		t.send(&c)
	default:
		t.respond(c.header, resultBeyond)
	}
}

func (t *terminal) respond(c header, result byte, more ...byte) {
	t.open = false
	if _, sw := t.transmit(c.response(result, more...)); sw != swOK && sw>>8 != 0x91 {
		t.log("a card refused a terminal response", sw)
	}
}

// send hands a message to the network, and leaves the line free meanwhile.
func (t *terminal) send(c *command) {
	if len(c.tpdu) < 2 {
		t.respond(c.header, resultRequiredMissing)
		return
	}
	head, tpdu := c.header, t.m.withReference(c.tpdu)
	t.open = true
	t.m.net.radio.Submit(func() { t.sendSM(head, tpdu) })
}

func (t *terminal) sendSM(c header, tpdu []byte) {
	result := byte(resultOK)
	if err := t.m.net.submit(t.m.msisdn, tpdu); err != nil {
		t.m.net.c.Logger.Warn("message of a SIM not sent", "msisdn", signum.MaskMSISDN(t.m.msisdn), "err", err)
		result = resultNetworkUnable
	}
	t.line.Lock()
	if !t.out {
		t.respond(c, result)
		t.advance()
	}
	t.line.Unlock()
	t.m.net.seen.Flush()
}

// ask shows a dialogue and lets the user act on it.
func (t *terminal) ask(c *command) {
	text, err := decodeText(c.text)
	if err != nil {
		t.respond(c.header, resultNotUnderstood)
		return
	}
	d := &dialogue{of: t, cmd: c.header, asks: t.card.Asking()}
	d.ID, d.Text = t.m.net.last.Add(1), text
	d.Kind, d.Who = DisplayText, d.asks.Step == card.StepParty
	if c.kind == cmdGetInput {
		d.Kind = GetInput
		d.MinLen, d.MaxLen = c.min, c.max
		d.Digits, d.Hidden = c.qualifier&inputAlphabet == 0, c.qualifier&inputHidden != 0
	}
	wait := c.duration
	if wait == 0 {
		wait = t.m.net.c.Inactivity
	}
	t.open = true
	first := t.m.begin(d)
	if !t.m.show(d, wait) {
		return
	}
	if first { // report it when it is visible, and before the user can act
		t.m.note(d, person.Event{Kind: person.Shown})
	}
	t.m.attend(d)
}

// answer tells the card what the user did with a dialogue.
func (t *terminal) answer(d *dialogue, key Key, input string) {
	t.line.Lock()
	if !t.out {
		t.simulateFault(t.m.doing(d.request))
		tries := t.card.TriesLeft()
		t.respond(d.cmd, d.result(key), d.input(key, input)...)
		t.m.report(d, key, tries, input)
		t.advance()
	}
	t.line.Unlock()
	t.m.net.seen.Flush()
}

func (t *terminal) log(what string, sw uint16) {
	log := t.m.net.c.Logger.With("device", t.deviceID, "msisdn", signum.MaskMSISDN(t.m.msisdn))
	if sw != 0 {
		log = log.With("sw", sw)
	}
	log.Warn(what)
}

// result returns the general result of a key.
func (d *dialogue) result(key Key) byte {
	switch key {
	case KeyCancel:
		return resultEnded
	case KeyBack:
		return resultBack
	case KeyNone:
		if d.Kind == DisplayText && d.cmd.qualifier&textWaits == 0 {
			return resultOK // the text disappears without a key
		}
		return resultNoResponse
	}
	return resultOK
}

// input returns the text object of a response to GET INPUT.
func (d *dialogue) input(key Key, input string) []byte {
	if d.Kind != GetInput || key != KeyOK {
		return nil
	}
	return appendTLV(nil, tagText|comprehension, encodeInput(d.cmd.qualifier, input)...)
}
