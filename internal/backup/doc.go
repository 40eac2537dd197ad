// Package backup writes a database into one file while nodes use it, and restores it.
//
//	store.Snapshot ──▶ Write ──▶ archive ──▶ Verify, Restore ──▶ store.Load
//
// An archive is a tar file compressed with gzip, the same for SQLite and PostgreSQL, so
// that a service can move from one to the other:
//
//	TABLE/NNNNNN.jsonl  rows of a table, each a JSON array of its values
//	manifest.json       the last member: version of the schema, instance, time, the
//	                    columns and the number of rows of each table, and the SHA-256
//	                    of every other member
//
// A value is null, a string, a whole number, true, false, or {"b64": "…"} for bytes.
// Without a manifest an archive is not complete. The sums find damage; they do not
// prove who wrote the archive.
//
// Restoring an old database has consequences that are no matter of rows, see Restore. Keys
// are not in an archive: the CA and the master key are files of their own, and
// together they would let a thief act for every card.
//
// The package must not know what a row means, except where Restore says so.
package backup
