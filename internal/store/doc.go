// Package store keeps everything that must survive, in SQLite or PostgreSQL.
// It implements mssp.Store with database/sql and one set of queries.
//
//	write ──▶ queue ──▶ writer: BEGIN, write, write, …, COMMIT ──▶ answers
//	read  ──▶ pool of prepared statements
//
// Writes are committed in groups: those that arrive while a commit is under
// way share the next one, and none is answered before its COMMIT returned. A
// write never fails its neighbours: what is refused as a matter of course (a
// duplicate, a busy subscriber) is refused without an SQL error, and a group
// that fails all the same is rolled back and its writes are run again, each in
// a transaction of its own.
//
// The invariants stand in the schema (see migrations): unique (AP_ID,
// AP_TransID, Instant), one outstanding transaction per subscriber and method,
// one receipt per transaction, which goes with it, one invite per subscriber, no
// App without its device, one card per SIM, which outlives it, and states that
// agree with what they imply: a code, an end, a signature, a device. What the schema cannot say, the statements do: a transaction
// and its receipt, an invite and what it lets in, change together or not at all,
// and every change of a state is a compare-and-set. SQLite has one writer; nodes
// that share PostgreSQL need no other coordination than the schema.
//
// What is rarely there and never searched for (the services of a request, the
// location of an outcome, the network of a SIM, the geofence of a party, the push
// and passkeys of an App) is JSON in a text, which is empty for the zero value:
// the ordinary row pays nothing.
//
// Text that PostgreSQL cannot hold (a NUL byte, invalid UTF-8) and keys longer
// than its indexes take are refused on both engines, before anything is
// written; a read by such a key finds nothing.
//
// The package must not know what a transaction means, who may start one, or
// how a phone is reached.
package store
