// Package admission decides which new work a node takes on while there is too much of it.
//
//	party, time ─▶ Gate.Enter ─┬─▶ inside: checks, insert, hand-over to a channel
//	                           ├─▶ waits for its turn, and goes inside
//	                           └─▶ Refusal: nothing was stored, try again after some time
//
// A request that cannot be done in its time is refused before anything is stored: the
// work for it would be in vain, and would make others late. How long it would take is
// known from the rate at which requests go inside, and from the age of the oldest entry of
// its party in each queue behind (Queue). Parties have their turns (package fair), so that
// one with many requests makes its own wait, and is refused first.
//
// How many are inside at a time follows how long what could run waits for a processor: if
// that takes longer than a few milliseconds, fewer are let in. What has begun, such as the
// answers of phones, therefore finds a processor.
//
// Memory is the other reason for a refusal: what waits for users takes some each.
//
// It must not know what the work is, nor what a refusal looks like on the wire. Only new
// work asks it: answers, cancels, status queries and receipts never do.
package admission
