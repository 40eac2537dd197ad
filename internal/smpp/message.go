package smpp

// esm_class (SMPP 3.4, 5.2.12).
const (
	ModeMask            byte = 0x03 // of submit_sm
	ModeDefault         byte = 0x00
	ModeDatagram        byte = 0x01
	ModeTransaction     byte = 0x02
	ModeStoreAndForward byte = 0x03
	TypeMask            byte = 0x3C // of deliver_sm
	TypeReceipt         byte = 0x04
	UDHI                byte = 0x40
	ReplyPath           byte = 0x80
)

// Type of number and numbering plan of an international number.
const (
	TONInternational byte = 1
	NPIISDN          byte = 1
)

// Address is a number. Addr has at most 20 characters; an international one
// (TON 1) has no plus sign.
type Address struct {
	TON, NPI byte
	Addr     string
}

// SubmitSM is a short message to a phone (SMPP 3.4, 4.4.1). Schedule and Validity
// are empty or have 16 characters (see RelativeTime and ParseTime). ShortMessage
// also holds what came as message_payload; more than 254 octets are sent as
// message_payload.
type SubmitSM struct {
	ServiceType                                                      string
	Source, Dest                                                     Address
	ESMClass, ProtocolID, Priority                                   byte
	Schedule, Validity                                               string
	RegisteredDelivery, ReplaceIfPresent, DataCoding, DefaultMessage byte
	ShortMessage                                                     []byte
	TLVs                                                             []TLV
}

// DeliverSM is a short message from a phone, or a receipt (SMPP 3.4, 4.6.1).
type DeliverSM SubmitSM

// SubmitSMResp answers a submit_sm. If the status is an error, the body may be
// missing.
type SubmitSMResp struct {
	MessageID string // at most 64 characters
	TLVs      []TLV
}

// DeliverSMResp answers a deliver_sm. Its MessageID is empty.
type DeliverSMResp SubmitSMResp

// Command implements Body.
func (*SubmitSM) Command() CommandID { return CmdSubmitSM }

// Command implements Body.
func (*DeliverSM) Command() CommandID { return CmdDeliverSM }

// Command implements Body.
func (*SubmitSMResp) Command() CommandID { return CmdSubmitSM | respBit }

// Command implements Body.
func (*DeliverSMResp) Command() CommandID { return CmdDeliverSM | respBit }

func (d *DeliverSM) append(b []byte) ([]byte, error) { return (*SubmitSM)(d).append(b) }

func (m *SubmitSM) append(b []byte) ([]byte, error) {
	w := &writer{b: b}
	w.cstring(m.ServiceType, lenServiceType, StatusInvServiceType, "service_type")
	w.octets(m.Source.TON, m.Source.NPI)
	w.cstring(m.Source.Addr, lenAddress, StatusInvSrc, "source_addr")
	w.octets(m.Dest.TON, m.Dest.NPI)
	w.cstring(m.Dest.Addr, lenAddress, StatusInvalidDst, "destination_addr")
	w.octets(m.ESMClass, m.ProtocolID, m.Priority)
	w.time(m.Schedule, StatusInvSchedule, "schedule_delivery_time")
	w.time(m.Validity, StatusInvExpiry, "validity_period")
	w.octets(m.RegisteredDelivery, m.ReplaceIfPresent, m.DataCoding, m.DefaultMessage)
	if _, twice := FindTLV(m.TLVs, TagMessagePayload); twice {
		w.fail(StatusTLVNotAllowed, "message_payload belongs into ShortMessage, not into TLVs")
	}
	if len(m.ShortMessage) <= maxShort {
		w.octets(byte(len(m.ShortMessage)))
		w.octets(m.ShortMessage...)
	} else {
		w.octets(0)
		w.tlv(TagMessagePayload, m.ShortMessage)
	}
	w.tlvs(m.TLVs)
	return w.done()
}

func parseMessage(r *reader) *SubmitSM {
	m := &SubmitSM{ServiceType: r.unused(lenServiceType, StatusInvServiceType, "service_type")}
	m.Source.TON, m.Source.NPI = r.octet(), r.octet()
	m.Source.Addr = r.unused(lenAddress, StatusInvSrc, "source_addr")
	m.Dest.TON, m.Dest.NPI = r.octet(), r.octet()
	m.Dest.Addr = r.unused(lenAddress, StatusInvalidDst, "destination_addr")
	m.ESMClass, m.ProtocolID, m.Priority = r.octet(), r.octet(), r.octet()
	m.Schedule = r.time(StatusInvSchedule, "schedule_delivery_time")
	m.Validity = r.time(StatusInvExpiry, "validity_period")
	m.RegisteredDelivery, m.ReplaceIfPresent, m.DataCoding, m.DefaultMessage = r.octet(), r.octet(), r.octet(), r.octet()
	n := int(r.octet())
	if n > maxShort && !r.tolerant {
		r.fail(StatusInvMsgLen, "short_message is too long")
	}
	m.ShortMessage = r.octets(n)
	if m.fold(r.tlvs()) && !r.tolerant {
		r.fail(StatusTLVNotAllowed, "two messages in one PDU")
	}
	r.wholePayload()
	return m
}

// fold takes over optional parameters. message_payload, if there is one, becomes the
// ShortMessage: of two texts, it is the one that cannot be too long for its field. It
// reports whether there were two.
func (m *SubmitSM) fold(list []TLV) (twice bool) {
	for _, t := range list {
		if t.Tag != TagMessagePayload {
			m.TLVs = append(m.TLVs, t)
			continue
		}
		twice = twice || len(m.ShortMessage) > 0
		m.ShortMessage = t.Value
	}
	return twice
}

func (d *DeliverSMResp) append(b []byte) ([]byte, error) { return (*SubmitSMResp)(d).append(b) }

func (s *SubmitSMResp) append(b []byte) ([]byte, error) {
	w := &writer{b: b}
	w.cstring(s.MessageID, lenMessageID, StatusInvCmdLen, "message_id")
	w.tlvs(s.TLVs)
	return w.done()
}

func parseSubmitResp(r *reader) *SubmitSMResp {
	r.tolerant = true
	return &SubmitSMResp{MessageID: r.rest(lenMessageID), TLVs: r.tlvs()}
}
