package cms

import "errors"

// maxDepth bounds how deep elements of BER may be nested. A CMS with a time stamp in
// it has about 20 levels.
const maxDepth = 32

// toDER rewrites the first BER element (X.690) of ber with definite lengths of the
// shortest form, and joins the parts of each OCTET STRING that comes in parts. It
// returns the rest of the input, too. Whatever has this form already is not changed:
// DER stays the same, which the signatures of certificates depend on. The output
// is a copy.
//
// An element of definite length whose content cannot be rewritten is copied unchanged,
// because the reader may skip it. If the reader needs it, the reader refuses it, as it
// refuses whatever else is not DER, such as a padded INTEGER.
func toDER(ber []byte) (der, rest []byte, err error) {
	if len(ber) == 0 {
		return nil, nil, errors.New("empty")
	}
	return appendDER(make([]byte, 0, len(ber)), ber, 0)
}

// appendDER appends the first element of in to out. Each level moves what it
// contains by the size of its header, so that the effort is at most maxDepth times
// the size of the input.
func appendDER(out, in []byte, depth int) (_, rest []byte, err error) {
	h, in, err := readHeader(in)
	if err != nil {
		return nil, nil, err
	}
	start := len(out)
	if h.indefinite {
		out, rest, err = appendContent(out, in, h, depth)
		return h.rewrite(out, start), rest, err
	}
	if h.constructed() {
		if done, _, err := appendContent(out, in[:h.length], h, depth); err == nil {
			return h.rewrite(done, start), in[h.length:], nil
		}
	}
	return append(h.append(out, h.length), in[:h.length]...), in[h.length:], nil
}

// appendContent appends the rewritten content of a constructed element.
func appendContent(out, in []byte, h header, depth int) (_, rest []byte, err error) {
	switch {
	case depth == maxDepth:
		return nil, nil, errors.New("nested too deep")
	case h.octets():
		return appendOctets(out, in, h, depth)
	case h.tag[0] < 0x40 && !constructedTypes[h.tag[0]&^flagConstructed]:
		return nil, nil, errors.New("a string in parts that is not an OCTET STRING")
	}
	for !h.ends(in) {
		if out, in, err = appendDER(out, in, depth+1); err != nil {
			return nil, nil, err
		}
	}
	return out, h.after(in), nil
}

// appendOctets appends what the parts of an OCTET STRING contain, which may come in
// parts themselves.
func appendOctets(out, in []byte, h header, depth int) (_, rest []byte, err error) {
	if depth == maxDepth {
		return nil, nil, errors.New("nested too deep")
	}
	for !h.ends(in) {
		part, content, err := readHeader(in)
		switch {
		case err != nil:
			return nil, nil, err
		case part.tag[0] == tagOctetString:
			out, in = append(out, content[:part.length]...), content[part.length:]
		case !part.octets():
			return nil, nil, errors.New("an OCTET STRING with a part of another type")
		case part.indefinite:
			out, in, err = appendOctets(out, content, part, depth+1)
		default:
			out, _, err = appendOctets(out, content[:part.length], part, depth+1)
			in = content[part.length:]
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return out, h.after(in), nil
}

const flagConstructed = 0x20

// constructedTypes are the universal types that consist of elements.
var constructedTypes = map[byte]bool{8: true, 11: true, 16: true, 17: true, 29: true}

// header is the beginning of a BER element.
type header struct {
	tag        []byte
	length     int
	indefinite bool
}

func (h *header) constructed() bool { return h.tag[0]&flagConstructed != 0 }

// octets reports whether this is an OCTET STRING in parts.
func (h *header) octets() bool { return h.tag[0] == tagOctetString|flagConstructed }

// rewrite puts the header before the content, which begins at start.
func (h *header) rewrite(out []byte, start int) []byte {
	if out == nil {
		return nil
	}
	if h.octets() {
		h.tag = []byte{tagOctetString}
	}
	var buf [16]byte
	n := len(out) - start
	header := h.append(buf[:0], n)
	out = append(out, header...)
	copy(out[start+len(header):], out[start:start+n])
	copy(out[start:], header)
	return out
}

// append appends tag and length of an element with a content of n bytes.
func (h *header) append(out []byte, n int) []byte {
	out = append(out, h.tag[:len(h.tag)-1]...)
	return appendHeader(out, h.tag[len(h.tag)-1], n)
}

// ends reports whether an element with this header is complete, given what is left
// after some of its content.
func (h *header) ends(left []byte) bool {
	if !h.indefinite {
		return len(left) == 0
	}
	return len(left) >= 2 && left[0] == 0 && left[1] == 0
}

// after is what follows the element, given what is left after its content.
func (h *header) after(left []byte) []byte {
	if h.indefinite {
		return left[2:]
	}
	return left
}

// readHeader reads tag and length, and checks that a definite length does not
// exceed the input.
func readHeader(in []byte) (h header, rest []byte, err error) {
	cut := errors.New("it ends early")
	if len(in) < 2 {
		return h, nil, cut
	}
	n := 1
	if in[0]&0x1f == 0x1f { // a tag number of several octets
		for n < len(in) && n < 5 && in[n]&0x80 != 0 {
			n++
		}
		n++
	}
	if n >= len(in) {
		return h, nil, cut
	}
	if n > 5 || in[0] == 0 {
		return h, nil, errors.New("an invalid tag")
	}
	h.tag = in[:n:n]
	first := in[n]
	in = in[n+1:]
	switch {
	case first < 0x80:
		h.length = int(first)
	case first == 0x80:
		if h.indefinite = h.constructed(); !h.indefinite {
			return h, nil, errors.New("a primitive element of indefinite length")
		}
		return h, in, nil
	default:
		size := int(first & 0x7f)
		if size > len(in) {
			return h, nil, cut
		}
		for _, b := range in[:size] {
			if h.length = h.length<<8 | int(b); h.length > MaxSize {
				return h, nil, cut
			}
		}
		in = in[size:]
	}
	if h.length > len(in) {
		return h, nil, cut
	}
	return h, in, nil
}
