// Package smpp speaks SMPP 3.4 (Short Message Peer to Peer), from both sides.
//
//	Client (ESME)                               Server (SMSC) ── Session
//	Submit ──▶ session with room in its window ──▶ submit_sm ──▶ Submit handler
//	Deliver handler ◀── deliver_sm ◀───────────────────────── Session.Deliver
//	enquire_link and unbind in both directions
//
// A PDU has a header (status, sequence number) and a Body. Parse and PDU.Marshal
// are the codec. What is written, and what an ESME sends, keeps to the letter of the
// specification; what an SMSC sends is read as far as it can be understood. A Client
// keeps several sessions, spreads messages over those that may send, and binds again
// when a session ends. A Server accepts transmitters, receivers and transceivers.
// Both are built on conn: one reader, one writer with a bounded queue, the
// outstanding requests, and the enquire_link timer. Every wait has a timeout, and
// every goroutine ends with its connection.
//
// The client makes one event per deliver_sm and per unreadable PDU; its Deliver
// handler completes it. Events without effect are sampled in the log, so that an
// SMSC cannot fill it. A message that makes the handler panic is answered with a
// temporary error; at its third delivery it is acknowledged and dropped.
//
//	client.go, bindsession.go, deliver.go    the ESME; presence.go, poison.go, event.go, stats.go help it
//	line.go, gate.go, full.go                how fast a bind may send, and when it must wait
//	server.go, session.go                    the SMSC
//	conn.go                                  a connection of either side
//	pdu.go, bind.go, message.go, data.go, field.go    the codec; receipt.go, time.go, status.go: parts of messages
//
// The package carries octets. It must not know the content of a message (user data
// headers, alphabets, secured packets), whose number an address is, or anything
// about the MSSP. Passwords appear in no log, error or trace.
package smpp
