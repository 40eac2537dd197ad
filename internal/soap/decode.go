package soap

import (
	"encoding/xml"
	"io"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/edge"
)

// Decode implements edge.Wire. The body is a SOAP envelope, 1.1 or 1.2. Its
// Body contains the element of the operation (rpc), or only the part
// (document).
func (Wire) Decode(op signum.Operation, body []byte) (signum.Request, edge.Form, error) {
	if utf16(body) {
		return nil, 0, errCharset
	}
	p := newParser(body)
	m := message{parser: p, op: op}
	if err := m.document(); err != nil {
		return nil, m.form, p.fault(err)
	}
	return m.req, m.form, nil
}

// message reads a document that contains one request.
type message struct {
	*parser
	op   signum.Operation
	form edge.Form
	req  signum.Request
}

// parts are the parts of the operations' requests.
var parts = map[string]signum.Operation{
	"MSS_SignatureReq": signum.OpSignature,
	"MSS_StatusReq":    signum.OpStatus,
	"MSS_ReceiptReq":   signum.OpReceipt,
	"MSS_ProfileReq":   signum.OpProfile,
}

func (m *message) document() error {
	for {
		k, err := m.next()
		switch {
		case err == io.EOF && blank(m.doc):
			return signum.Faultf(signum.WrongParam, "The request has no body")
		case err != nil:
			return err
		case k == kindText && !blank(m.chars):
			return m.malformed("text outside of the envelope")
		case k == kindStart && m.element.Name.Local != "Envelope":
			return signum.Faultf(signum.WrongParam, "The request must be a SOAP Envelope")
		case k == kindStart:
			if err := m.envelope(); err != nil {
				return err
			}
			return m.end()
		}
	}
}

// end reads what may follow the envelope: white space and comments.
func (m *message) end() error {
	for {
		k, err := m.next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case k != kindText || !blank(m.chars):
			return m.malformed("data after the envelope")
		}
	}
}

// envelope reads Header and Body. Header is skipped, even if a child demands to
// be understood. The namespace of the envelope is ignored.
func (m *message) envelope() error {
	var header, body bool
	err := m.children("Envelope", func(e xml.StartElement) error {
		switch {
		case e.Name.Local == "Header" && !header && !body:
			header = true
			return m.skip()
		case e.Name.Local == "Body" && !body:
			body = true
			return m.body()
		}
		return signum.Faultf(signum.WrongParam, "The Envelope must have at most one Header, then one Body")
	})
	if err == nil && !body {
		return signum.Faultf(signum.WrongParam, "The Envelope must have a Body")
	}
	return err
}

func (m *message) body() error {
	err := m.children("Body", func(e xml.StartElement) error {
		if m.req != nil {
			return signum.Faultf(signum.WrongParam, "The Body must have one message only")
		}
		if _, ok := parts[e.Name.Local]; ok {
			m.form |= formBare
			return m.part(m.op, e)
		}
		// The wrapper is named after the operation.
		switch op := signum.Operation(e.Name.Local); op {
		case signum.OpSignature, signum.OpStatus, signum.OpReceipt, signum.OpProfile:
			return m.wrapper(op, e)
		}
		return m.foreign()
	})
	if err == nil && m.req == nil {
		return signum.Faultf(signum.WrongParam, "The Body has no message")
	}
	return err
}

// wrapper reads the element that wraps an rpc message. MSS_Signature is a
// wrapper in requests only; in an answer it is the signature.
func (m *message) wrapper(op signum.Operation, e xml.StartElement) error {
	if m.op != signum.OpAny && m.op != op {
		return m.foreign()
	}
	if e.Name.Space == nsKiuru {
		m.form |= formWrapperKiuru
	}
	err := m.children(string(op), func(e xml.StartElement) error {
		if m.req != nil {
			return signum.Faultf(signum.WrongParam, "%s must have one message only", op)
		}
		return m.part(op, e)
	})
	if err == nil && m.req == nil {
		return signum.Faultf(signum.WrongParam, "%s has no message", op)
	}
	return err
}

func (m *message) part(op signum.Operation, e xml.StartElement) error {
	if e.Name.Space == nsMSS {
		m.form |= formPartMSS
	}
	of, ok := parts[e.Name.Local]
	if !ok || op != signum.OpAny && op != of {
		return m.foreign()
	}
	switch of {
	case signum.OpSignature:
		r := new(signum.SignatureRequest)
		m.req = r
		return m.signature(e, r)
	case signum.OpStatus:
		r := new(signum.StatusRequest)
		m.req = r
		return m.status(e, r)
	case signum.OpReceipt:
		r := new(signum.ReceiptRequest)
		m.req = r
		return m.receipt(e, r)
	}
	r := new(signum.ProfileRequest)
	m.req = r
	return m.profile(e, r)
}

func (m *message) foreign() error {
	return signum.Faultf(signum.WrongParam, "This endpoint does not accept this message")
}
