// Package applet is the language of the applet on a SIM card: what the service
// asks of it and what it answers, as BER-TLV inside secured packets. The
// document is docs/sim-applet.md.
//
//	sim ── Request ─▶ scp80 ─▶ sms ─▶ … ─▶ card
//	sim ◀── Reply ─── scp80 ◀─ sms ◀─ … ◀─ card
//
// It is a pure codec. It must not know how a payload is secured, cut into
// messages or carried, nor what a transaction is: a request has eight octets
// that name it, and with its operation they tell it from every other.
package applet
