// Package sms is the codec of short messages: the TPDUs of 3GPP TS 23.040, the
// header in their user data, long messages in parts, and the alphabets of
// TS 23.038.
//
//	secured packet ─▶ SplitPacket ─┐                       ┌─▶ ParseUserData, Reassembler ─▶ secured packet
//	                               ├▶ Deliver, Submit ─ SMS ┤
//	text ─▶ SplitText ─────────────┘                       └─▶ Unpacked, DecodeText ─▶ text
//
// The handset answers an SMS-DELIVER with a Report.
//
//	deliver.go, submit.go, report.go   TPDUs; address.go, timestamp.go, userdata.go: fields of them
//	header.go, packet.go               user data headers, secured packets in parts
//	reassemble.go                      parts that come in
//	text.go, dcs.go                    texts; gsm7.go and ucs2.go: their alphabets
//
// The package must not know SMPP, security, cards or persons. It does no I/O and
// has no clock: the caller of the Reassembler passes the time. Input may be
// hostile. What cannot be decoded is refused with ErrMalformed, and what is kept
// of the rest is bounded in number and time.
package sms
