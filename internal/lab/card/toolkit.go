package card

import (
	"slices"
	"time"

	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/sms"
)

// Proactive commands (ETSI TS 102 223, clause 9.4) and devices (clause 8.7).
const (
	typeSendSMS     = 0x13
	typeDisplayText = 0x21
	typeGetInput    = 0x23

	highPriorityUntilCleared = 0x81 // of DISPLAY TEXT
	hiddenDigits             = 0x04 // of GET INPUT

	deviceDisplay = 0x02
	deviceCard    = 0x81
	devicePhone   = 0x82
	deviceNetwork = 0x83
)

// General results of a TERMINAL RESPONSE (clause 8.12).
const (
	resultOK         = 0x00
	resultNoIcon     = 0x04 // done, but without the icon
	resultSuccess    = 0x0f // results up to this one mean success
	resultEnded      = 0x10 // by the user
	resultBack       = 0x11
	resultNoResponse = 0x12
	resultBusy       = 0x20 // the phone, for now
)

const (
	maxCommand = 256 // octets that FETCH can return

	// maxQueue bounds the commands that wait. A card whose queue is full is busy.
	maxQueue = 24
	// maxUnasked is the queue length up to which an unauthenticated packet gets a
	// PoR.
	maxUnasked = 8
	// maxAttempts is how often the card tries to send a message.
	maxAttempts = 3
	// lostAfter is how long after its deadline a command counts as lost that the
	// phone fetched and never answered.
	lostAfter = 5 * time.Minute
)

// command is a proactive command.
type command struct {
	kind, qualifier byte
	to              byte   // device
	objects         []byte // after the device identities

	dialogue *dialogue // the command is a step of it; may be nil
	step     Step
	message  *message // the command sends a part of it; may be nil

	number  byte      // set by enqueue
	fetched time.Time // zero: not yet
}

// message is a message that several SEND SHORT MESSAGE commands send in parts.
type message struct{ failures int }

func (m *command) encode() []byte {
	b := appendObject(nil, tagDetails|comprehension, m.number, m.kind, m.qualifier)
	b = appendObject(b, tagDevices|comprehension, deviceCard, m.to)
	b = append(b, m.objects...)
	return appendObject(nil, tagProactive, b...)
}

// enqueue numbers the command, 1 to 254 in turn, so that the card can tell a late
// TERMINAL RESPONSE from the right one.
func (c *Card) enqueue(m *command) {
	c.name(m)
	c.queue = append(c.queue, m)
}

func (c *Card) name(m *command) {
	c.number = c.number%254 + 1
	m.number, m.fetched = c.number, time.Time{}
}

// pending returns the status word of a good answer: 91xx if the phone is to fetch a
// command, unless it is busy with the previous one.
func (c *Card) pending() uint16 {
	if len(c.queue) == 0 || !c.queue[0].fetched.IsZero() {
		return swOK
	}
	return swProactive | uint16(len(c.queue[0].encode())&0xff)
}

// fetch handles FETCH. A phone that asks again gets the same command.
func (c *Card) fetch(a apdu) ([]byte, uint16) {
	c.tick()
	switch {
	case len(a.data) > 0:
		return nil, swWrongLength
	case len(c.queue) == 0:
		return nil, swNotNow
	}
	m := c.queue[0]
	b := m.encode()
	if a.le != 256 && a.le != len(b) {
		return nil, swWrongLe | uint16(len(b)&0xff)
	}
	m.fetched = c.now()
	return b, swOK
}

// terminalResponse handles TERMINAL RESPONSE, the result of a command. A response to
// another command than the one that the phone is processing changes nothing.
func (c *Card) terminalResponse(a apdu) ([]byte, uint16) {
	o, ok := parseObjects(a.data)
	details, _ := o.find(tagDetails)
	result, _ := o.find(tagResult)
	if !ok || len(details) != 3 || len(result) == 0 {
		return nil, swIncorrectData
	}
	if len(c.queue) == 0 || c.queue[0].fetched.IsZero() {
		return nil, swNotNow
	}
	m := c.queue[0]
	if details[0] != m.number || details[1] != m.kind {
		return nil, swIncorrectData
	}
	text, _ := o.find(tagText)
	c.ended(m, result[0], text)
	c.tick()
	return nil, c.pending()
}

// ended removes the command from the queue and continues.
func (c *Card) ended(m *command, result byte, text []byte) {
	c.queue = slices.Delete(c.queue, 0, 1)
	switch {
	case m.message != nil:
		c.sent(m, result)
	case m.dialogue == c.dialogue: // otherwise it has ended meanwhile
		c.resume(m.dialogue, result, text)
	}
}

// sent repeats a part that could not be sent, ahead of the other parts. After
// maxAttempts failures it drops the whole message: the service will repeat its
// request, and the card answers that from memory.
func (c *Card) sent(m *command, result byte) {
	if result <= resultSuccess {
		return
	}
	if m.message.failures++; m.message.failures < maxAttempts {
		c.name(m)
		c.queue = slices.Insert(c.queue, 0, m)
		return
	}
	c.queue = slices.DeleteFunc(c.queue, func(o *command) bool { return o.message == m.message })
}

// submit queues a packet as SMS-SUBMITs, each in a SEND SHORT MESSAGE that shows the
// user nothing (an empty alpha identifier).
func (c *Card) submit(to sms.Address, packet []byte, kind scp80.Kind) {
	c.reference++
	parts, err := sms.SplitPacket(packet, byte(kind), c.reference)
	if err != nil {
		c.cfg.Logger.Error("message of a card", "iccid", c.cfg.ICCID, "err", err)
		return
	}
	m := new(message)
	for _, ud := range parts {
		s := sms.Submit{UDHI: true, To: to, DCS: sms.DCSCard, UD: ud}
		tpdu, err := s.MarshalBinary()
		if err != nil {
			c.cfg.Logger.Error("message of a card", "iccid", c.cfg.ICCID, "err", err)
			return
		}
		b := appendObject(nil, tagAlpha)
		b = appendObject(b, tagSMS|comprehension, tpdu...)
		c.enqueue(&command{kind: typeSendSMS, to: deviceNetwork, objects: b, message: m})
	}
}

// tick ends dialogues and commands that are overdue.
func (c *Card) tick() {
	now := c.now()
	if d := c.dialogue; d != nil && !now.Before(d.deadline) {
		// Do not show what the phone has not fetched yet.
		c.queue = slices.DeleteFunc(c.queue, func(m *command) bool { return m.dialogue == d && m.fetched.IsZero() })
		c.finish(d, applet.Reply{Result: applet.NoAnswer})
	}
	if len(c.queue) > 0 && c.queue[0].lost(now) {
		c.ended(c.queue[0], resultNoResponse, nil)
	}
}

func (m *command) lost(now time.Time) bool {
	if m.fetched.IsZero() {
		return false
	}
	until := m.fetched
	if m.dialogue != nil && m.dialogue.deadline.After(until) {
		until = m.dialogue.deadline
	}
	return now.Sub(until) >= lostAfter
}

// displayText queues a DISPLAY TEXT, which the user confirms or cancels.
func (c *Card) displayText(d *dialogue, step Step, t text) {
	b := appendObject(nil, tagText|comprehension, append([]byte{t.dcs}, t.data...)...)
	if len(t.data) <= maxTimedText {
		b = append(b, c.duration(d, tagDuration|comprehension)...)
	}
	c.enqueue(&command{kind: typeDisplayText, qualifier: highPriorityUntilCleared, to: deviceDisplay, objects: b, dialogue: d, step: step})
}

// getPIN queues a GET INPUT for a PIN. Older phones do not know its duration and may
// ignore it.
func (c *Card) getPIN(d *dialogue, step Step, question string) {
	t := spell(question)
	b := appendObject(nil, tagText|comprehension, append([]byte{t.dcs}, t.data...)...)
	b = appendObject(b, tagResponseLength|comprehension, minPIN, maxPIN)
	b = append(b, c.duration(d, tagDuration)...)
	c.enqueue(&command{kind: typeGetInput, qualifier: hiddenDigits, to: devicePhone, objects: b, dialogue: d, step: step})
}

// duration encodes the time that is left for the dialogue, in seconds or, above 255
// seconds, in minutes (clause 8.8).
func (c *Card) duration(d *dialogue, tag byte) []byte {
	left := d.deadline.Sub(c.now())
	if s := (left + time.Second - 1) / time.Second; s <= 0xff {
		return appendObject(nil, tag, 0x01, byte(max(s, 1)))
	}
	return appendObject(nil, tag, 0x00, byte(min((left+time.Minute-1)/time.Minute, 0xff)))
}
