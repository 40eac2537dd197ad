package card

// Tags of the data objects that the card reads and writes (ETSI TS 101 220,
// clause 7.2), without the comprehension bit.
const (
	tagDetails        = 0x01
	tagDevices        = 0x02
	tagResult         = 0x03
	tagDuration       = 0x04
	tagAlpha          = 0x05
	tagSMS            = 0x0b
	tagText           = 0x0d
	tagResponseLength = 0x11

	comprehension = 0x80

	tagProactive = 0xd0 // BER-TLV: a command of the card
	tagDownload  = 0xd1 // BER-TLV: SMS-PP download
)

// object is a COMPREHENSION-TLV data object (ETSI TS 101 220, clause 7.1.1).
type object struct {
	tag   byte // without the comprehension bit
	value []byte
}

type objects []object

// find returns the value of the first object with a tag.
func (o objects) find(tag byte) ([]byte, bool) {
	for _, e := range o {
		if e.tag == tag {
			return e.value, true
		}
	}
	return nil, false
}

// parseObjects reads all data objects. It skips those with a tag of three octets,
// because the card uses none of them.
func parseObjects(b []byte) (objects, bool) {
	var out objects
	for len(b) > 0 {
		tag := b[0]
		b = b[1:]
		switch tag {
		case 0x00, 0x80, 0xff:
			return nil, false
		case 0x7f:
			if len(b) < 2 {
				return nil, false
			}
			tag, b = 0, b[2:]
		}
		value, rest, ok := cutValue(b)
		if !ok {
			return nil, false
		}
		if tag != 0 {
			out = append(out, object{tag &^ comprehension, value})
		}
		b = rest
	}
	return out, true
}

// cutValue reads a length (one octet up to 7F, otherwise 81 or 82 and the octets) and
// the value of this length.
func cutValue(b []byte) (value, rest []byte, ok bool) {
	if len(b) == 0 {
		return nil, nil, false
	}
	n := int(b[0])
	b = b[1:]
	switch {
	case n < 0x80:
	case n == 0x81 && len(b) >= 1:
		n, b = int(b[0]), b[1:]
	case n == 0x82 && len(b) >= 2:
		n, b = int(b[0])<<8|int(b[1]), b[2:]
	default:
		return nil, nil, false
	}
	if n > len(b) {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}

// appendObject appends a data object with a value of at most 255 octets.
func appendObject(b []byte, tag byte, value ...byte) []byte {
	b = append(b, tag)
	if len(value) >= 0x80 {
		b = append(b, 0x81)
	}
	b = append(b, byte(len(value)))
	return append(b, value...)
}
