package applet

import "encoding/binary"

// The tags. The first two have the same meaning in requests and replies.
const (
	tagHeader     = 0xc0 // version, operation, key id, algorithm
	tagID         = 0xc1 // 8 octets
	tagText       = 0xc2 // DCS, count, data
	tagAttributes = 0xc3 // seconds since 1970 (4 octets), SHA-256 of the certificate
	tagLimits     = 0xc4 // timeout in seconds (2 octets), language (2 letters)
	tagChallenge  = 0xc5
	tagSealed     = 0xc6
	tagResult     = 0xc7 // result, tries left
	tagSignature  = 0xc8
	tagPublicKey  = 0xc9
	tagProof      = 0xca
	tagState      = 0xcb
	tagParty      = 0xcc // like tagText
)

// MaxPayload is the greatest length of a request or reply in octets: what fits six
// messages.
const MaxPayload = 780

// appendTLV encodes the length in its shortest definite form (ITU-T X.690, clause
// 8.1.3).
func appendTLV(b []byte, tag byte, value ...[]byte) []byte {
	n := 0
	for _, v := range value {
		n += len(v)
	}
	b = append(b, tag)
	switch {
	case n < 0x80:
		b = append(b, byte(n))
	case n < 0x100:
		b = append(b, 0x81, byte(n))
	default:
		b = append(b, 0x82)
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	}
	for _, v := range value {
		b = append(b, v...)
	}
	return b
}

// fields are the values of the known tags of a payload.
type fields [tagParty - tagHeader + 1][]byte

func (f *fields) get(tag byte) []byte { return f[tag-tagHeader] }

// parse decodes TLVs to the end. It skips unknown tags, so that either side may be
// newer than the other. A known tag must not occur twice. Zero octets after the last
// TLV are padding.
func parse(b []byte) (f fields, err error) {
	if len(b) > MaxPayload {
		return f, malformed("%d octets, more than %d", len(b), MaxPayload)
	}
	for len(b) > 0 {
		if b[0] == 0 {
			for _, c := range b {
				if c != 0 {
					return f, malformed("data after the padding")
				}
			}
			break
		}
		var value []byte
		tag := b[0]
		if value, b, err = readValue(b[1:]); err != nil {
			return f, err
		}
		if tag < tagHeader || tag > tagParty {
			continue
		}
		if f.get(tag) != nil {
			return f, malformed("tag %02x twice", tag)
		}
		f[tag-tagHeader] = value
	}
	return f, nil
}

// readValue decodes a length and its value. The value is never nil.
func readValue(b []byte) (value, rest []byte, err error) {
	if len(b) == 0 {
		return nil, nil, malformed("no length")
	}
	n, head := int(b[0]), 1
	switch {
	case n < 0x80:
	case n == 0x81 && len(b) >= 2 && b[1] >= 0x80:
		n, head = int(b[1]), 2
	case n == 0x82 && len(b) >= 3 && b[1] > 0:
		n, head = int(binary.BigEndian.Uint16(b[1:])), 3
	default:
		return nil, nil, malformed("length %02x", b[0])
	}
	if len(b)-head < n {
		return nil, nil, malformed("a value of %d octets, but only %d follow", n, len(b)-head)
	}
	return b[head : head+n : head+n], b[head+n:], nil
}
