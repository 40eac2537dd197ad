// Package check looks for what is wrong with the database of a service, and with what
// belongs to it, before somebody needs it.
//
//	Options ──▶ Run ──▶ Findings: what is wrong, and what to do
//
// It only reads, while nodes use the database: schema, integrity, CA and master key,
// certificates, keys and counters of cards, rows that cannot be read, requests that are
// late, the clock, and the disk. Each check goes on after the others have found
// something, as far as it can.
//
// It must not repair anything.
package check
