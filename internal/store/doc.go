// Package store keeps everything that must survive, in SQLite or PostgreSQL.
// It implements mssp.Store with database/sql and one set of queries.
//
//	write ──▶ queue ──▶ writer: BEGIN, write, write, …, COMMIT ──▶ answers
//	read  ──▶ pool of prepared statements
//
// Writes are committed in groups: those that arrive during a commit share the
// next one, and no write is answered before its COMMIT has returned. A write
// never makes its neighbours fail. Expected refusals (a duplicate, a busy
// subscriber) are made without an SQL error. If a group fails anyway, it is
// rolled back and each of its writes runs again in a separate transaction.
//
// The schema enforces the invariants (see migrations): unique (AP_ID, AP_TransID,
// Instant); one outstanding transaction per subscriber and method; one receipt
// per transaction, deleted with it; one invite per subscriber; one consent per
// subscriber, kind and subject; one notice per code; no App without its
// device; one card per SIM, which outlives the SIM; and states that agree with
// what they imply: a code, an end, a signature, a device. The statements enforce
// what the schema cannot express: a transaction and its receipt, or an invite and
// the App it lets in, change together or not at all, and every change of state is
// a compare-and-set. SQLite has one writer; nodes that share PostgreSQL need no
// coordination beyond the schema.
//
// Members that are rare and never searched for (the services of a request, the
// location of an outcome, the network of a SIM, the geofence and the limits of a party, the push
// subscription of an App, its end, and the passkeys) are JSON in a text column that is empty for
// the zero value, so an ordinary row pays nothing for them.
//
// Both engines refuse text that PostgreSQL cannot hold (a NUL byte, invalid UTF-8)
// and keys longer than its indexes allow, before anything is written. A read by
// such a key finds nothing.
//
// The package must not know what a transaction means, who may start one, or
// how a phone is reached.
package store
