// Package engine is the life of a transaction: submit, dispatch, wait, answer,
// expire, recover.
//
//	Sign ─▶ policy ─▶ INSERT ─▶ Channel.Send ─┬─▶ wait ─▶ answer with a CMS
//	                                          │
//	phone ─▶ Answer ─▶ verify ─▶ CMS ─▶ finish (compare-and-set) ─▶ wake
//	sweep ─▶ expired ─────────────────▶ finish
//
// Everything that can be refused is refused before the insert; a phone is
// asked only after the commit. Every way out of the outstanding state goes
// through finish, and the store decides who was first.
//
// It must not know how requests are encoded, which database keeps them, or
// which bearer reaches a phone.
package engine
