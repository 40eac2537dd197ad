// Package smsc emulates an operator's short message service centre: a real SMPP
// server on one side, a radio network given as a port on the other.
//
//	ESME ── submit_sm ──▶ faults ─▶ lane of the phone ─▶ SMS-DELIVER ─▶ Radio
//	ESME ◀─ deliver_sm ── lane of the phone ◀─ faults ◀─ SMS-SUBMIT ◀── Submit
//
// Messages to and from one phone go one after the other, in the order in which
// they came; one that has to be tried again goes behind the others. In
// transaction mode (esm_class 2) the response says how the only attempt went; in
// store-and-forward mode (0 and 3) it comes at once, and a message is tried
// again while the phone is busy or away, until its validity ends, with a
// delivery receipt if one was asked for. Datagram mode (1) is one attempt of
// which nobody hears.
//
// What an attempt gave, and what answers it in transaction mode:
//
//	acknowledged                                     ESME_ROK
//	subscriber unknown (ErrUnknown)                  ESME_RINVDSTADR
//	toolkit busy, memory full                        ESME_RX_T_APPN
//	phone away, any other cause of failure           ESME_RDELIVERYFAILURE
//
// Busy is not ESME_RMSGQFUL, which would hold back what goes to other phones.
//
// A message from a phone is kept until an ESME acknowledges it, refuses it for
// good or its lifetime ends. All is in memory: what waits when the process ends
// is lost, which is one of the faults that a sender has to live with. The others
// are injected on purpose (Faults), repeatably by a seed.
//
// The package must not know what is in a message, whom a number belongs to, nor
// anything of the MSSP. What a phone answers inside its report is dropped, as by
// many a real service centre.
package smsc
