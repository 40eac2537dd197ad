package card

// The files that a phone reads first (ETSI TS 102 221, clause 13). This card has no
// others.
const (
	fileMF    = 0x3f00
	fileICCID = 0x2fe2
)

// iccidFile returns the content of EF ICCID: ten octets with two digits each, the
// first in the low half, padded with F.
func iccidFile(iccid string) []byte {
	b := make([]byte, 10)
	for i := range b {
		b[i] = 0xff
	}
	for i, c := range []byte(iccid) {
		if shift := 4 * (i % 2); i/2 < len(b) {
			b[i/2] = b[i/2]&^(0x0f<<shift) | (c-'0')<<shift
		}
	}
	return b
}

// selectFile is SELECT by file identifier, or by path from the MF.
func (c *Card) selectFile(a apdu) ([]byte, uint16) {
	switch {
	case a.p1 != 0x00 && a.p1 != 0x08 || a.p2 != 0x00 && a.p2 != 0x04 && a.p2 != 0x0c:
		return nil, swWrongP1P2
	case len(a.data) != 2:
		return nil, swNoFile
	}
	var about []byte
	switch id := uint16(a.data[0])<<8 | uint16(a.data[1]); id {
	case fileMF:
		c.selected = id
		about = []byte{0x82, 2, 0x78, 0x21, 0x83, 2, 0x3f, 0x00, 0x8a, 1, 0x05}
	case fileICCID:
		c.selected = id
		about = []byte{0x82, 2, 0x41, 0x21, 0x83, 2, 0x2f, 0xe2, 0x8a, 1, 0x05, 0x80, 2, 0x00, 0x0a}
	default:
		return nil, swNoFile
	}
	if a.p2 == 0x0c {
		return nil, swOK
	}
	return append([]byte{0x62, byte(len(about))}, about...), swOK
}

func (c *Card) readBinary(a apdu) ([]byte, uint16) {
	file := iccidFile(c.cfg.ICCID)
	offset := int(a.p1)<<8 | int(a.p2)
	switch {
	case c.selected != fileICCID:
		return nil, swNotNow
	case len(a.data) > 0:
		return nil, swWrongLength
	case offset >= len(file):
		return nil, swWrongOffset
	}
	file = file[offset:]
	switch {
	case a.le == 256:
	case a.le > len(file):
		return nil, swWrongLe | uint16(len(file))
	default:
		file = file[:a.le]
	}
	return file, swOK
}
