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
// The package must not know SMPP, security, cards or persons. It does no I/O and
// has no clock: whoever reassembles says what time it is. What comes in may be
// anything; it is refused with ErrMalformed, and what is kept of it is bounded
// in number and in time.
package sms
