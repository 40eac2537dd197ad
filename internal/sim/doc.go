// Package sim is the channel to SIM cards: secured packets in short messages.
//
//	engine ──▶ Channel ── applet request ─▶ secured packet ─▶ parts ─▶ submit_sm ──▶ SMSC ··▶ card
//	       ◀──         ◀─ applet reply ◀─── secured packet ◀─ parts ◀─ deliver_sm ◀──      ◀··
//
// A request has a name (transaction and operation) that the card knows it by, so
// that it can be repeated as often as the network makes it necessary, each time
// in a new packet with a new counter: the card asks its user once. A counter is
// on disk before its packet is sent.
//
// What is kept in memory serves repetition, and can be lost at any time. A reply
// is matched by the card that it comes from, the table of what was sent, and
// else by the engine (mssp.Inbox), so that a restart or another node takes it.
// The SMSC is told that a reply was taken when the engine has it on disk, and
// not before.
//
// A message is believed if the card's key says so. A proof of receipt without
// security, and a delivery receipt, are hints: they cause repetitions and, when
// the time is over and no reply came, they explain it.
//
// It must not know how SMPP sessions are kept, what a transaction is beyond a
// mssp.DeviceRequest, nor verify signatures: that is the engine's.
package sim
