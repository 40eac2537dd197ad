// Package engine runs the life of a transaction: submit, dispatch, wait,
// answer, expire, recover.
//
//	Sign ─▶ policy ─▶ INSERT ─▶ Channel.Send ─┬─▶ wait ─▶ answer with a CMS
//	                                          │
//	phone ─▶ Answer ─▶ verify ─▶ CMS ─▶ finish (compare-and-set) ─▶ wake
//	sweep ─▶ expired ─────────────────▶ finish
//
// Whatever can be refused is refused before the insert, and a phone is asked
// only after the commit. A transaction leaves the outstanding state through
// finish alone; if several callers try, the store decides which one is first.
// One-time passwords have a short path of their own (otp.go): they need no
// device and no answer.
//
// The package must not know how requests are encoded, which database keeps
// them, or which bearer reaches a phone.
package engine
