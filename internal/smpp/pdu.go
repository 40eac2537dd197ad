package smpp

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Sizes.
const (
	headerLen  = 16
	MaxPDU     = 64 << 10   // octets; a PDU with a greater length ends the connection
	maxSeq     = 0x7fffffff // sequence numbers are 1 to this, then 1 again (5.1.4)
	respBit    = 0x80000000
	version3_4 = 0x34
)

// CommandID is a command_id (SMPP 3.4, 5.1.2).
type CommandID uint32

// The commands of this package. A response is its request with the top bit set.
const (
	CmdGenericNack     CommandID = 0x80000000
	CmdBindReceiver    CommandID = 0x00000001
	CmdBindTransmitter CommandID = 0x00000002
	CmdSubmitSM        CommandID = 0x00000004
	CmdDeliverSM       CommandID = 0x00000005
	CmdUnbind          CommandID = 0x00000006
	CmdBindTransceiver CommandID = 0x00000009
	CmdOutbind         CommandID = 0x0000000B
	CmdEnquireLink     CommandID = 0x00000015
	CmdAlert           CommandID = 0x00000102 // alert_notification
	CmdDataSM          CommandID = 0x00000103
)

var commandNames = map[CommandID]string{
	CmdBindReceiver: "bind_receiver", CmdBindTransmitter: "bind_transmitter", CmdBindTransceiver: "bind_transceiver",
	CmdSubmitSM: "submit_sm", CmdDeliverSM: "deliver_sm", CmdDataSM: "data_sm", CmdUnbind: "unbind", CmdEnquireLink: "enquire_link",
	CmdOutbind: "outbind", CmdAlert: "alert_notification",
	0x03: "query_sm", 0x07: "replace_sm", 0x08: "cancel_sm", 0x21: "submit_multi", 0x111: "broadcast_sm", 0x112: "query_broadcast_sm", 0x113: "cancel_broadcast_sm",
}

// plausible reports whether a command is one of the specification, reserved by it or
// of a vendor. Any other is a sign that the stream is not SMPP, or no longer.
func (c CommandID) plausible() bool { return c&^respBit < 0x20000 }

// IsResponse reports whether the command is a response; generic_nack is one.
func (c CommandID) IsResponse() bool { return c&respBit != 0 }

// String is the name in the specification, or the number if there is none.
func (c CommandID) String() string {
	if c == CmdGenericNack {
		return "generic_nack"
	}
	n, ok := commandNames[c&^respBit]
	if !ok {
		return fmt.Sprintf("command 0x%08X", uint32(c))
	}
	if c.IsResponse() {
		n += "_resp"
	}
	return n
}

// Body is the part after the header: *Bind, *BindResp, *SubmitSM, *SubmitSMResp,
// *DeliverSM, *DeliverSMResp, *DataSM, *DataSMResp, Unbind, UnbindResp, EnquireLink,
// EnquireLinkResp, GenericNack, Outbind or Alert.
type Body interface {
	// Command is the command_id of the body.
	Command() CommandID
	append(b []byte) ([]byte, error)
}

// PDU is one unit of the protocol.
type PDU struct {
	Status   Status // of a response
	Sequence uint32
	Body     Body
}

// Command is the command_id of the body, 0 if there is none.
func (p PDU) Command() CommandID {
	if p.Body == nil {
		return 0
	}
	return p.Body.Command()
}

// ProtocolError says what is wrong with a PDU. It unwraps to the Status with which
// the PDU is answered.
type ProtocolError struct {
	Command  CommandID
	Sequence uint32
	Status   Status // that answers the PDU
	Answered Status // command_status of the PDU itself, if it is a response
	Reason   string
}

func (e *ProtocolError) Error() string {
	return fmt.Sprintf("smpp: %v: %s (%v)", e.Command, e.Reason, e.Status)
}

// Unwrap is the status.
func (e *ProtocolError) Unwrap() error { return e.Status }

var errNoBody = errors.New("smpp: a PDU without a body type")

// Marshal encodes the PDU, length included. The error is a *ProtocolError if a
// field has a value that the specification does not allow.
func (p PDU) Marshal() ([]byte, error) {
	if p.Body == nil {
		return nil, errNoBody
	}
	b := make([]byte, headerLen, 128)
	b, err := p.Body.append(b)
	if err != nil {
		var f *fieldError
		if errors.As(err, &f) {
			return nil, &ProtocolError{Command: p.Command(), Sequence: p.Sequence, Status: f.status, Reason: f.reason}
		}
		return nil, err
	}
	if len(b) > MaxPDU {
		return nil, &ProtocolError{Command: p.Command(), Sequence: p.Sequence, Status: StatusInvCmdLen, Reason: "the PDU is too long"}
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	binary.BigEndian.PutUint32(b[4:], uint32(p.Command()))
	binary.BigEndian.PutUint32(b[8:], uint32(p.Status))
	binary.BigEndian.PutUint32(b[12:], p.Sequence)
	return b, nil
}

// Parse decodes one whole PDU, length included. The PDU shares the memory of the
// frame. Every error is a *ProtocolError, with command and sequence number if
// there is a whole header.
//
// Requests of an ESME are read by the letter. What an SMSC sends is read as far as it
// can be understood: its status decides about an answer, and of its messages only
// what they say matters. Fields that nobody uses may be too long, and whatever is no
// optional parameter at the end is ignored.
func Parse(frame []byte) (PDU, error) {
	if len(frame) < headerLen {
		return PDU{}, &ProtocolError{Status: StatusInvCmdLen, Reason: "shorter than a header"}
	}
	h := parseHeader(frame)
	p := PDU{Status: h.status, Sequence: h.seq}
	fail := func(st Status, reason string) (PDU, error) {
		return p, &ProtocolError{Command: h.cmd, Sequence: h.seq, Status: st, Answered: h.status, Reason: reason}
	}
	if h.length != uint32(len(frame)) || len(frame) > MaxPDU {
		return fail(StatusInvCmdLen, "the length does not match")
	}
	r := &reader{b: frame[headerLen:]}
	if p.Body = parseBody(h, r); p.Body == nil {
		return fail(StatusInvCmdID, "unknown command")
	}
	if r.err != nil {
		p.Body = nil
		return fail(r.err.status, r.err.reason)
	}
	return p, nil
}

type header struct {
	length uint32
	cmd    CommandID
	status Status
	seq    uint32
}

func parseHeader(b []byte) header {
	return header{
		length: binary.BigEndian.Uint32(b),
		cmd:    CommandID(binary.BigEndian.Uint32(b[4:])),
		status: Status(binary.BigEndian.Uint32(b[8:])),
		seq:    binary.BigEndian.Uint32(b[12:]),
	}
}

func parseBody(h header, r *reader) Body {
	switch h.cmd {
	case CmdBindReceiver, CmdBindTransmitter, CmdBindTransceiver:
		return parseBind(h.cmd, r)
	case CmdBindReceiver | respBit, CmdBindTransmitter | respBit, CmdBindTransceiver | respBit:
		return parseBindResp(h.cmd&^respBit, r)
	case CmdSubmitSM:
		return parseMessage(r)
	case CmdDeliverSM:
		r.tolerant = true
		return (*DeliverSM)(parseMessage(r))
	case CmdDataSM:
		r.tolerant = true
		return parseData(r)
	case CmdSubmitSM | respBit:
		return parseSubmitResp(r)
	case CmdDeliverSM | respBit:
		return (*DeliverSMResp)(parseSubmitResp(r))
	case CmdDataSM | respBit:
		return (*DataSMResp)(parseSubmitResp(r))
	case CmdUnbind:
		return Unbind{}
	case CmdUnbind | respBit:
		return UnbindResp{}
	case CmdEnquireLink:
		return EnquireLink{}
	case CmdEnquireLink | respBit:
		return EnquireLinkResp{}
	case CmdGenericNack:
		return GenericNack{}
	case CmdOutbind:
		return Outbind{}
	case CmdAlert:
		return Alert{}
	}
	return nil
}

// Bodies without fields, or whose fields nobody reads. Octets that a peer appends are
// ignored.
type (
	Unbind          struct{}
	UnbindResp      struct{}
	EnquireLink     struct{}
	EnquireLinkResp struct{}
	GenericNack     struct{}
	Outbind         struct{} // asks an ESME to bind; has no response
	Alert           struct{} // alert_notification: a phone is back; has no response
)

// Command implements Body.
func (Unbind) Command() CommandID { return CmdUnbind }

// Command implements Body.
func (UnbindResp) Command() CommandID { return CmdUnbind | respBit }

// Command implements Body.
func (EnquireLink) Command() CommandID { return CmdEnquireLink }

// Command implements Body.
func (EnquireLinkResp) Command() CommandID { return CmdEnquireLink | respBit }

// Command implements Body.
func (GenericNack) Command() CommandID { return CmdGenericNack }

// Command implements Body.
func (Outbind) Command() CommandID { return CmdOutbind }

// Command implements Body.
func (Alert) Command() CommandID { return CmdAlert }

func (Outbind) append(b []byte) ([]byte, error)         { return b, nil }
func (Alert) append(b []byte) ([]byte, error)           { return b, nil }
func (Unbind) append(b []byte) ([]byte, error)          { return b, nil }
func (UnbindResp) append(b []byte) ([]byte, error)      { return b, nil }
func (EnquireLink) append(b []byte) ([]byte, error)     { return b, nil }
func (EnquireLinkResp) append(b []byte) ([]byte, error) { return b, nil }
func (GenericNack) append(b []byte) ([]byte, error)     { return b, nil }

// answerTo returns the body that answers a request of this command with an error.
func answerTo(cmd CommandID) Body {
	switch cmd {
	case CmdBindReceiver, CmdBindTransmitter, CmdBindTransceiver:
		return &BindResp{Mode: cmd}
	case CmdSubmitSM:
		return &SubmitSMResp{}
	case CmdDeliverSM:
		return &DeliverSMResp{}
	case CmdDataSM:
		return &DataSMResp{}
	case CmdUnbind:
		return UnbindResp{}
	case CmdEnquireLink:
		return EnquireLinkResp{}
	}
	return GenericNack{}
}

// unread is the body of a response that could not be read.
type unread CommandID

// Command implements Body.
func (u unread) Command() CommandID { return CommandID(u) }

func (u unread) append(b []byte) ([]byte, error) { return b, nil }
