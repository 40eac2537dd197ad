package handset

import (
	"sync"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/person"
)

// maxCommands bounds what a card may ask in a row without a person or the
// network in between.
const maxCommands = 64

// terminal is the toolkit of a handset with one card in it (ETSI TS 102 223).
// At most one proactive command is open. ENVELOPEs go to the card all the same;
// what it then has to fetch waits until the open command has its response.
type terminal struct {
	m        *mobile
	deviceID string

	// line is the card's contacts: held for one APDU, and for what follows
	// at once from its answer. It is free while a person thinks and while a message
	// is sent. Whoever holds it may take m.mu, and not the other way round.
	line sync.Mutex
	card SIM
	open bool // a command was fetched and has no response yet
	owed int  // octets that wait to be fetched; 0: nothing
	out  bool // the card was taken out
}

// start is the insertion: the card learns what the handset can do.
func (t *terminal) start() {
	t.line.Lock()
	defer t.line.Unlock()
	if _, sw := t.transmit(apdu(insTerminalProfile, profile)); sw != swOK && sw>>8 != 0x91 {
		t.log("a card takes no terminal profile", sw)
	}
	if t.owed > 0 {
		t.m.net.hands.Submit(t.proceed)
	}
}

// takeOut ends everything between the handset and the card.
func (t *terminal) takeOut() {
	t.line.Lock()
	defer t.line.Unlock()
	t.out = true
}

// download gives the card an SMS-DELIVER and returns what the card says to it
// at once. What it wants done comes later, from elsewhere. False: the card was
// taken out.
func (t *terminal) download(does person.Behaviour, env []byte) (data []byte, sw uint16, ok bool) {
	t.line.Lock()
	defer t.line.Unlock()
	if t.out {
		return nil, 0, false
	}
	if !t.open {
		t.pose(does)
	}
	data, sw = t.transmit(env)
	if t.owed > 0 && !t.open {
		t.m.net.hands.Submit(t.proceed)
	}
	return data, sw, true
}

// proceed is advance for whoever does not hold the line.
func (t *terminal) proceed() {
	t.line.Lock()
	t.advance()
	t.line.Unlock()
	t.m.net.seen.Flush()
}

// The rest, but answer and sendSM, is called with the line held.

func (t *terminal) transmit(apdu []byte) (data []byte, sw uint16) {
	data, sw = splitAnswer(t.card.Transmit(apdu))
	if sw>>8 == 0x91 {
		if t.owed = int(sw & 0xff); t.owed == 0 {
			t.owed = 256
		}
	}
	return data, sw
}

// advance runs commands until one takes its time or the card wants nothing
// more, which ends the session.
func (t *terminal) advance() {
	for n := 0; !t.out && !t.open && t.owed > 0; n++ {
		if n == maxCommands {
			t.log("a card does not stop asking", 0)
			t.owed = 0
			break
		}
		fetch := fetchAPDU(t.owed)
		t.owed = 0
		data, sw := t.transmit(fetch)
		if sw != swOK && sw>>8 != 0x91 {
			t.log("a card has nothing to fetch", sw)
			break
		}
		t.owed = 0 // what follows a command is said to its response
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
		t.log("a card asks what nobody understands", 0)
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
		t.log("a card does not take a terminal response", sw)
	}
}

// send has a message sent, and the line free meanwhile.
func (t *terminal) send(c *command) {
	if len(c.tpdu) < 2 {
		t.respond(c.header, resultRequiredMissing)
		return
	}
	head, tpdu := c.header, t.m.numbered(c.tpdu)
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

// ask puts a dialogue on the screen and the person before it.
func (t *terminal) ask(c *command) {
	text, err := decodeText(c.text)
	if err != nil {
		t.respond(c.header, resultNotUnderstood)
		return
	}
	d := &dialogue{of: t, cmd: c.header, asks: t.card.Asking()}
	d.ID, d.Text = t.m.net.last.Add(1), text
	d.Kind = DisplayText
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
	fresh := t.m.begin(d)
	if !t.m.show(d, wait) {
		return
	}
	if fresh { // told when it can be seen, and before anybody can act
		t.m.note(d, person.Event{Kind: person.Shown})
	}
	t.m.attend(d)
}

// answer gives the card what the person did with a dialogue.
func (t *terminal) answer(d *dialogue, key Key, input string) {
	t.line.Lock()
	if !t.out {
		t.pose(d.errand.does)
		tries := t.card.TriesLeft()
		t.respond(d.cmd, d.result(key), d.input(key, input)...)
		t.m.judge(d, key, tries, input)
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

// result is the general result of a key.
func (d *dialogue) result(key Key) byte {
	switch key {
	case KeyCancel:
		return resultEnded
	case KeyBack:
		return resultBack
	case KeyNone:
		if d.Kind == DisplayText && d.cmd.qualifier&textWaits == 0 {
			return resultOK // the text was to go by itself
		}
		return resultNoResponse
	}
	return resultOK
}

// input is the text of a response to GET INPUT.
func (d *dialogue) input(key Key, input string) []byte {
	if d.Kind != GetInput || key != KeyOK {
		return nil
	}
	return appendTLV(nil, tagText|comprehension, encodeInput(d.cmd.qualifier, input)...)
}
