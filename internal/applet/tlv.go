package applet

import "encoding/binary"

// The tags. Two of them, in a request and in a reply, mean the same.
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
)

// MaxPayload bounds a request or reply, in octets: what fits in six messages.
const MaxPayload = 780

// appendTLV writes a definite length in its shortest form (ITU-T X.690, clause
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

// fields are the values of a payload by tag, for the tags that are known.
type fields [tagState - tagHeader + 1][]byte

func (f *fields) get(tag byte) []byte { return f[tag-tagHeader] }

// parse reads TLVs to the end. Tags that are not known are skipped, so that
// either side may be newer than the other; none may come twice. Zero octets
// after the last are padding.
func parse(b []byte) (f fields, err error) {
	if len(b) > MaxPayload {
		return f, malformed("%d octets, more than %d", len(b), MaxPayload)
	}
	for len(b) > 0 {
		if b[0] == 0 {
			for _, c := range b {
				if c != 0 {
					return f, malformed("something after the padding")
				}
			}
			break
		}
		var value []byte
		tag := b[0]
		if value, b, err = readValue(b[1:]); err != nil {
			return f, err
		}
		if tag < tagHeader || tag > tagState {
			continue
		}
		if f.get(tag) != nil {
			return f, malformed("tag %02x twice", tag)
		}
		f[tag-tagHeader] = value
	}
	return f, nil
}

// readValue reads a length and its value, which never is nil.
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
		return nil, nil, malformed("a value of %d octets, of which %d are there", n, len(b)-head)
	}
	return b[head : head+n : head+n], b[head+n:], nil
}
