package smpp

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// The lengths of C-octet strings, their NUL included (SMPP 3.4, 4 and 5.2).
const (
	lenSystemID     = 16
	lenPassword     = 9
	lenSystemType   = 13
	lenAddressRange = 41
	lenServiceType  = 6
	lenAddress      = 21
	lenDataAddress  = 65 // of data_sm
	lenTime         = 17 // or 1
	lenMessageID    = 65
	maxShort        = 254 // octets of short_message; longer texts go into message_payload
)

// TLV is an optional parameter.
type TLV struct {
	Tag   uint16
	Value []byte
}

// Tags that are read or written (SMPP 3.4, 5.3.2).
const (
	TagReceiptedMessageID = 0x001E
	TagVersion            = 0x0210 // sc_interface_version
	TagMessagePayload     = 0x0424
	TagMoreMessages       = 0x0426
	TagMessageState       = 0x0427
)

// FindTLV returns the value of the first TLV with the tag.
func FindTLV(tlvs []TLV, tag uint16) ([]byte, bool) {
	for _, t := range tlvs {
		if t.Tag == tag {
			return t.Value, true
		}
	}
	return nil, false
}

type fieldError struct {
	status Status
	reason string
}

func (e *fieldError) Error() string { return "smpp: " + e.reason }

// reader takes fields from a body. After the first error it returns zeros.
type reader struct {
	b        []byte
	err      *fieldError
	tolerant bool   // fields that nobody uses may be too long
	left     []byte // after the TLVs, of a tolerant reader
}

func (r *reader) fail(st Status, reason string) {
	if r.err == nil {
		r.err = &fieldError{st, reason}
	}
	r.b = nil
}

func (r *reader) octet() byte {
	if len(r.b) == 0 {
		r.fail(StatusInvCmdLen, "the PDU ends too early")
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *reader) octets(n int) []byte {
	if n > len(r.b) {
		r.fail(StatusInvMsgLen, "a field is longer than the PDU")
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

// unused reads a C-octet string that only a strict reader checks.
func (r *reader) unused(size int, st Status, name string) string {
	if r.tolerant {
		return clip(r.cstring(len(r.b), st, name), size)
	}
	return r.cstring(size, st, name)
}

// rest reads a C-octet string that the end of the body may terminate.
func (r *reader) rest(size int) string {
	if i := bytes.IndexByte(r.b, 0); i >= 0 {
		s := string(r.b[:i])
		r.b = r.b[i+1:]
		return clip(s, size)
	}
	s := string(r.b)
	r.b = nil
	return clip(s, size)
}

// clip shortens a string so that it fits a field of size octets.
func clip(s string, size int) string { return s[:min(len(s), size-1)] }

// cstring reads a C-octet string of at most size octets, the NUL included.
func (r *reader) cstring(size int, st Status, name string) string {
	if r.err != nil {
		return ""
	}
	i := bytes.IndexByte(r.b[:min(size, len(r.b))], 0)
	if i < 0 {
		r.fail(st, name+" is too long or not terminated")
		return ""
	}
	s := string(r.b[:i])
	r.b = r.b[i+1:]
	return s
}

// time reads an empty time or one of 16 characters.
func (r *reader) time(st Status, name string) string {
	s := r.unused(lenTime, st, name)
	if s != "" && len(s) != lenTime-1 {
		if r.tolerant {
			return ""
		}
		r.fail(st, name+" does not have 16 characters")
	}
	return s
}

// tlvs reads the rest of the body; a tolerant reader as far as it consists of TLVs.
func (r *reader) tlvs() []TLV {
	list, left := tlvsOf(r.b)
	if len(left) > 0 && !r.tolerant {
		r.fail(StatusInvTLVStream, "the octets at the end are not a TLV")
		return nil
	}
	if len(left) > 0 && r.b[0] == 0 { // some SMSCs put a NUL behind short_message
		if shifted, none := tlvsOf(r.b[1:]); len(none) == 0 {
			list, left = shifted, nil
		}
	}
	r.b, r.left = nil, left
	return list
}

// wholePayload fails if there is a message_payload that is longer than the PDU.
func (r *reader) wholePayload() {
	if len(r.left) >= 4 && binary.BigEndian.Uint16(r.left) == TagMessagePayload {
		r.fail(StatusInvTLVStream, "message_payload is longer than the PDU")
	}
}

// tlvsOf reads TLVs, and returns the octets at the end that are no TLV.
func tlvsOf(b []byte) (list []TLV, left []byte) {
	for len(b) >= 4 {
		n := 4 + int(binary.BigEndian.Uint16(b[2:]))
		if n > len(b) {
			break
		}
		list = append(list, TLV{Tag: binary.BigEndian.Uint16(b), Value: b[4:n:n]})
		b = b[n:]
	}
	return list, b
}

// writer appends fields. Its first error sticks.
type writer struct {
	b   []byte
	err *fieldError
}

func (w *writer) fail(st Status, reason string) {
	if w.err == nil {
		w.err = &fieldError{st, reason}
	}
}

func (w *writer) octets(v ...byte) { w.b = append(w.b, v...) }

func (w *writer) cstring(s string, size int, st Status, name string) {
	if len(s) >= size || strings.IndexByte(s, 0) >= 0 {
		w.fail(st, name+" is too long or contains a NUL")
		return
	}
	w.b = append(append(w.b, s...), 0)
}

func (w *writer) time(s string, st Status, name string) {
	if s != "" && len(s) != lenTime-1 {
		w.fail(st, name+" does not have 16 characters")
	}
	w.cstring(s, lenTime, st, name)
}

func (w *writer) tlv(tag uint16, v []byte) {
	if len(v) > 0xffff {
		w.fail(StatusInvTLVLen, "a TLV is too long")
		return
	}
	w.b = binary.BigEndian.AppendUint16(w.b, tag)
	w.b = binary.BigEndian.AppendUint16(w.b, uint16(len(v)))
	w.b = append(w.b, v...)
}

func (w *writer) tlvs(list []TLV) {
	for _, t := range list {
		w.tlv(t.Tag, t.Value)
	}
}

func (w *writer) done() ([]byte, error) {
	if w.err != nil {
		return nil, w.err
	}
	return w.b, nil
}
