// Package sim is the channel to SIM cards: secured packets in short messages.
//
//	engine ──▶ Channel ── applet request ─▶ secured packet ─▶ parts ─▶ submit_sm ──▶ SMSC ··▶ card
//	       ◀──         ◀─ applet reply ◀─── secured packet ◀─ parts ◀─ deliver_sm ◀──      ◀··
//
// The card knows a request by its transaction and operation. So the channel can
// repeat a request as often as the network makes it necessary, each time in a new
// packet with a new counter, and the card asks its user only once. A counter is on
// disk before its packet is sent.
//
// The requests in memory serve only repetition and can be lost at any time. A reply is
// matched with the requests in memory by card, transaction and operation, otherwise
// with those that the engine knows (mssp.Inbox). So after a restart, or on another
// node, it is still accepted. The SMSC gets its acknowledgement after the engine has
// the reply on disk, not before.
//
// A message is trusted if it was made with the card's keys. An unsecured proof of
// receipt and a delivery receipt are hints: they cause repetitions, and when a request
// times out without a reply, they explain why.
//
//	channel.go                  Send, Cancel, Close; text.go: SendText
//	request.go, state.go        a request and its states; table.go finds it
//	schedule.go                 moves it on as time passes
//	attempt.go, build.go        one packet to the card; party.go: who asks
//	pool.go, brake.go           the workers that send, and the phones that must wait
//	deliver.go                  what comes in: reply.go, proof.go, receipt.go; stall.go, event.go
//	answer.go                   the answer to the engine
//	stats.go, trace.go          for operators; format.go: a trace as text
//
// It must not know how SMPP sessions are kept or what a transaction is beyond a
// mssp.DeviceRequest, and it must not verify signatures: that is up to the engine.
package sim
