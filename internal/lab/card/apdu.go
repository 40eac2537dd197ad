package card

import "bytes"

// The status words in use (ETSI TS 102 221, clause 10.2). 91xx says that a
// command of xx octets waits for FETCH.
const (
	swOK            = 0x9000
	swProactive     = 0x9100
	swToolkitBusy   = 0x9300
	swWrongLength   = 0x6700
	swNotNow        = 0x6985 // conditions of use not satisfied
	swIncorrectData = 0x6a80
	swNoFile        = 0x6a82
	swWrongP1P2     = 0x6a86
	swWrongOffset   = 0x6b00
	swWrongLe       = 0x6c00 // the right length is xx
	swNoInstruction = 0x6d00
	swNoClass       = 0x6e00
	swTechnical     = 0x6f00
)

const (
	classISO     = 0x00
	classToolkit = 0x80

	insTerminalProfile  = 0x10
	insFetch            = 0x12
	insTerminalResponse = 0x14
	insSelect           = 0xa4
	insReadBinary       = 0xb0
	insEnvelope         = 0xc2
	insStatus           = 0xf2
)

// apdu is a command APDU (ISO/IEC 7816-4) with lengths of one octet.
type apdu struct {
	cla, ins, p1, p2 byte
	data             []byte
	le               int // 256 if it is 0 or absent
}

// parseAPDU returns false if the lengths are inconsistent.
func parseAPDU(b []byte) (apdu, bool) {
	if len(b) < 4 {
		return apdu{}, false
	}
	a := apdu{cla: b[0], ins: b[1], p1: b[2], p2: b[3], le: 256}
	b = b[4:]
	if len(b) > 1 {
		n := int(b[0])
		if n == 0 || len(b) < 1+n || len(b) > 2+n {
			return apdu{}, false
		}
		a.data, b = b[1:1+n], b[1+n:]
	}
	if len(b) == 1 && b[0] != 0 {
		a.le = int(b[0])
	}
	return a, true
}

// Transmit gives the card a command APDU and returns data and SW1 SW2 of its answer,
// at least two octets. The card does not retain b. The call lasts as long as the card
// computes: up to some seconds to generate an RSA key, otherwise a few milliseconds.
func (c *Card) Transmit(b []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	data, sw := c.dispatch(bytes.Clone(b))
	return append(data, byte(sw>>8), byte(sw))
}

func (c *Card) dispatch(b []byte) (data []byte, sw uint16) {
	if len(b) >= 1 && b[0] != classISO && b[0] != classToolkit {
		return nil, swNoClass
	}
	a, ok := parseAPDU(b)
	if !ok {
		return nil, swWrongLength
	}
	if a.cla == classISO {
		switch a.ins {
		case insSelect:
			return c.selectFile(a)
		case insReadBinary:
			return c.readBinary(a)
		}
		return nil, swNoInstruction
	}
	if a.ins == insStatus { // the phone's poll
		c.tick()
		return nil, c.pending()
	}
	handle := map[byte]func(apdu) ([]byte, uint16){
		insTerminalProfile:  c.terminalProfile,
		insEnvelope:         c.envelope,
		insFetch:            c.fetch,
		insTerminalResponse: c.terminalResponse,
	}[a.ins]
	switch {
	case handle == nil:
		return nil, swNoInstruction
	case a.p1 != 0 || a.p2 != 0:
		return nil, swWrongP1P2
	}
	return handle(a)
}

// terminalProfile starts a session: everything that is not in the store is lost, as
// after a reset. A request that was in progress stays unanswered; when the service
// repeats it, the user is asked again.
func (c *Card) terminalProfile(a apdu) ([]byte, uint16) {
	if len(a.data) == 0 {
		return nil, swWrongLength
	}
	c.reset()
	return nil, swOK
}
