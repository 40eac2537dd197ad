// Package smpp speaks SMPP 3.4 (Short Message Peer to Peer), from both sides.
//
//	Client (ESME)                            Server (SMSC) ── Session
//	Submit ──▶ bind with room in its window ──▶ submit_sm ──▶ Submit handler
//	Deliver handler ◀── deliver_sm ◀────────────────────── Session.Deliver
//	enquire_link and unbind in both directions
//
// A PDU has a header (status, sequence number) and a Body; Parse and
// PDU.Marshal are the codec, bounded by what the specification allows a field
// to be. A Client keeps several transceiver binds, spreads messages over them
// and binds again when one is lost. A Server takes transmitters, receivers and
// transceivers. Below both is conn: one reader, one writer with a bounded
// queue, the requests that wait for a response, and the enquire_link timer.
// Every wait has a limit, and every goroutine ends with its connection.
//
// The package carries octets. It must not know what is in a message (user data
// headers, alphabets, secured packets), whom a number belongs to, nor anything
// of the MSSP. Passwords are in no log, error or trace.
package smpp
