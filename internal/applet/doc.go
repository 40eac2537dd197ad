// Package applet is the protocol of the applet on a SIM card: the requests of the
// service and the replies, as BER-TLV inside secured packets. It is specified in
// docs/sim-applet.md.
//
//	sim ── Request ─▶ scp80 ─▶ sms ─▶ … ─▶ card
//	sim ◀── Reply ─── scp80 ◀─ sms ◀─ … ◀─ card
//
//	applet.go    the types
//	codec.go     their encoding, on top of tlv.go
//	text.go      texts as a card shows them
//
// It is a pure codec. It must not know how a payload is secured, split into messages
// or carried, or what a transaction is: eight octets and the operation identify a
// request.
package applet
