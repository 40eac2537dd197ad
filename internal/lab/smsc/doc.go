// Package smsc emulates an operator's short message service centre: a real SMPP
// server on one side, a radio network given as a port on the other.
//
//	ESME ── submit_sm ──▶ faults ─▶ lane of the phone ─▶ SMS-DELIVER ─▶ Radio
//	ESME ◀─ deliver_sm ── lane of the phone ◀─ faults ◀─ SMS-SUBMIT ◀── Submit
//
// Messages to and from one phone go one after the other, in the order of their
// arrival; a message that must be tried again goes behind the others. In
// transaction mode (esm_class 2) the response tells the result of the only
// attempt. In store-and-forward mode (0 and 3) the response comes at once, and the
// message is tried again while the phone is busy or away, until its validity ends;
// then a delivery receipt is sent if one was requested. Datagram mode (1) is one
// attempt whose result is not told.
//
// The results of an attempt, and the answers in transaction mode:
//
//	acknowledged                                     ESME_ROK
//	subscriber unknown (ErrUnknown)                  ESME_RINVDSTADR
//	toolkit busy, memory full                        ESME_RX_T_APPN
//	phone away, any other cause of failure           ESME_RDELIVERYFAILURE
//
// A busy phone is not answered with ESME_RMSGQFUL, because that would hold back
// the messages to other phones.
//
// A message from a phone is kept until an ESME acknowledges it, refuses it for
// good, or its lifetime ends. Everything is in memory: what waits when the process
// ends is lost, which is one of the faults that a sender must cope with. The others
// are injected on purpose (Faults), reproducibly from a seed.
//
//	smsc.go                 configuration, start and stop
//	tophone.go, toesme.go   the two directions; carry.go is what they share
//	lane.go                 the order of messages of one phone
//	convert.go              between SMPP messages and TPDUs
//	fault.go                injected faults
//
// With Config.Local, the only ESME is in the same process, and messages pass by calls: many
// small networks then need neither ports nor sessions.
//
// The package must not know the content of a message, whose number an address is,
// or anything about the MSSP. It drops the data that a phone puts into a report, as
// many real service centres do.
package smsc
