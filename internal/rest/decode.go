package rest

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/edge"
)

// maxDepth limits the nesting of objects and arrays. The messages need 5
// levels.
const maxDepth = 16

// byteOrderMark is tolerated before the body (RFC 8259, clause 8.1).
var byteOrderMark = []byte("\xEF\xBB\xBF")

// decoder reads one message from a stream of tokens. Decoders are pooled, so
// that the JSON decoder's tables of member names are reused.
type decoder struct {
	json    jsontext.Decoder
	in      bytes.Buffer // the decoder parses a bytes.Buffer in place
	skipped int          // bytes of the byte order mark
	breaks  []int        // offsets of what unbroken replaced and has not been read yet
	scratch []byte
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// Decode implements edge.Wire. The body is one JSON object with one message
// of the operation; members beside it are ignored.
func (Wire) Decode(op signum.Operation, body []byte) (signum.Request, edge.Form, error) {
	d := decoders.Get().(*decoder)
	r, err := d.decode(op, body)
	if err != nil && signum.AsFault(err) == nil {
		r, err = d.again(op, body, err)
	}
	if err != nil {
		err = d.fault(err, body)
	}
	// Release the body before the decoder goes back to the pool.
	d.in = bytes.Buffer{}
	d.json.Reset(&d.in)
	decoders.Put(d)
	if err != nil {
		return nil, 0, err
	}
	return r, 0, nil
}

// again reads a body that is not JSON as if it had no line breaks in strings. If it
// has none, the error stays.
func (d *decoder) again(op signum.Operation, body []byte, err error) (signum.Request, error) {
	defer func() { d.breaks = nil }()
	copied, breaks := unbroken(body)
	if copied == nil {
		return nil, err
	}
	d.breaks = breaks
	return d.decode(op, copied)
}

func (d *decoder) decode(op signum.Operation, body []byte) (signum.Request, error) {
	rest := bytes.TrimPrefix(body, byteOrderMark)
	d.skipped = len(body) - len(rest)
	d.in = *bytes.NewBuffer(rest)
	d.json.Reset(&d.in)

	if len(bytes.Trim(rest, " \t\r\n")) == 0 {
		return nil, signum.Faultf(signum.WrongParam, "The request has no body")
	}
	if k := d.json.PeekKind(); k != jsontext.KindBeginObject && k != jsontext.KindInvalid {
		return nil, signum.Faultf(signum.WrongParam, "The body must be a JSON object")
	}
	var r signum.Request
	err := d.object("", func(name []byte) (err error) {
		m := messageOf(name)
		switch {
		case m == nil, d.json.PeekKind() == jsontext.KindNull:
			return d.skip()
		case r != nil:
			return signum.Faultf(signum.WrongParam, "The body must have one message only")
		case op != signum.OpAny && op != m.op:
			return signum.Faultf(signum.WrongParam, "%s is not a message of this endpoint", m.name)
		}
		r, err = d.message(m.op)
		return err
	})
	if err != nil {
		return nil, err
	}
	if _, err := d.json.ReadToken(); err != io.EOF {
		return nil, signum.Faultf(signum.WrongParam, "Malformed JSON at byte %d: data after the message", d.offset())
	}
	if err := d.unbrokenSoFar(); err != nil {
		return nil, err
	}
	if r == nil {
		return nil, signum.Faultf(signum.WrongParam, "The body has no message of this endpoint")
	}
	return r, nil
}

// message is a member of the body that holds a message.
type message struct {
	name string
	op   signum.Operation
}

var messages = [...]message{
	{"MSS_SignatureReq", signum.OpSignature},
	{"MSS_StatusReq", signum.OpStatus},
	{"MSS_ReceiptReq", signum.OpReceipt},
	{"MSS_ProfileReq", signum.OpProfile},
}

func messageOf(name []byte) *message {
	for i := range messages {
		if string(name) == messages[i].name {
			return &messages[i]
		}
	}
	return nil
}

// message reads the message of an operation.
func (d *decoder) message(op signum.Operation) (signum.Request, error) {
	switch op {
	case signum.OpSignature:
		r := new(signum.SignatureRequest)
		return r, d.signature(r)
	case signum.OpStatus:
		r := new(signum.StatusRequest)
		return r, d.status(r)
	case signum.OpReceipt:
		r := new(signum.ReceiptRequest)
		return r, d.receipt(r)
	}
	r := new(signum.ProfileRequest)
	return r, d.profile(r)
}

// offset returns how many bytes of the body have been read.
func (d *decoder) offset() int { return int(d.json.InputOffset()) + d.skipped }

// object reads the members of an object. The handler must read the value of the
// member; the name is valid until then. null counts as an absent object.
func (d *decoder) object(what string, member func(name []byte) error) error {
	switch d.json.PeekKind() {
	case jsontext.KindNull:
		return d.skip()
	case jsontext.KindBeginObject, jsontext.KindInvalid:
	default:
		return signum.Faultf(signum.WrongParam, "%s must be a JSON object", what)
	}
	if _, err := d.json.ReadToken(); err != nil {
		return err
	}
	for d.json.PeekKind() != jsontext.KindEndObject {
		v, err := d.json.ReadValue()
		if err != nil {
			return err
		}
		if err := d.unbrokenSoFar(); err != nil {
			return err
		}
		if err := member(d.unquote(v)); err != nil {
			return err
		}
	}
	_, err := d.json.ReadToken()
	return err
}

// array reads the elements of the array that comes next.
func (d *decoder) array(element func() error) error {
	if _, err := d.json.ReadToken(); err != nil {
		return err
	}
	for d.json.PeekKind() != jsontext.KindEndArray {
		if err := element(); err != nil {
			return err
		}
	}
	_, err := d.json.ReadToken()
	return err
}

// text reads a scalar. Numbers and booleans keep their literal text; null
// counts as absent.
func (d *decoder) text(dst *string, what string) error {
	if err := d.scalar(dst, what); err != nil {
		return err
	}
	return d.unbrokenSoFar()
}

// scalar is text for a member that may hold Base64. The caller must look at the
// breaks that were passed.
func (d *decoder) scalar(dst *string, what string) error {
	switch d.json.PeekKind() {
	case jsontext.KindNull:
		return d.skip()
	case jsontext.KindBeginObject, jsontext.KindBeginArray:
		return signum.Faultf(signum.WrongParam, "%s must be a string", what)
	}
	v, err := d.json.ReadValue()
	if err != nil {
		return err
	}
	b := []byte(v)
	if v.Kind() == jsontext.KindString {
		b = d.unquote(v)
	}
	*dst = edge.Intern(b)
	return nil
}

// unquote returns the content of a well-formed JSON string. The bytes are valid
// until the next token is read.
func (d *decoder) unquote(v jsontext.Value) []byte {
	if bytes.IndexByte(v, '\\') < 0 {
		return v[1 : len(v)-1]
	}
	d.scratch, _ = jsontext.AppendUnquote(d.scratch[:0], []byte(v))
	return d.scratch
}

// skip skips one value.
func (d *decoder) skip() error {
	base := d.json.StackDepth()
	for {
		if _, err := d.json.ReadToken(); err != nil {
			return err
		}
		if err := d.unbrokenSoFar(); err != nil {
			return err
		}
		switch depth := d.json.StackDepth(); {
		case depth > maxDepth:
			return signum.Faultf(signum.WrongParam, "Malformed JSON at byte %d: nested too deeply", d.offset())
		case depth == base:
			return nil
		}
	}
}

// fault turns a decoding error into a fault. The fault tells only the place and
// the kind of the error, because the parser's own text would repeat what was
// sent.
func (d *decoder) fault(err error, body []byte) *signum.Fault {
	if f := signum.AsFault(err); f != nil {
		return f
	}
	at, reason := d.offset(), "not well-formed"
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		at = int(syntax.ByteOffset) + d.skipped
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		reason = "unexpected end"
	case errors.Is(err, jsontext.ErrDuplicateName):
		reason = "duplicate member"
	case !utf8.Valid(body):
		reason = "not UTF-8"
	}
	return signum.Faultf(signum.WrongParam, "Malformed JSON at byte %d: %s", at, reason)
}
