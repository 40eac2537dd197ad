// Package retention deletes what a node need not keep any longer.
//
//	Job ─ once a minute ─▶ make the partitions of the next hours
//	                    ─▶ export what is due, if that is wanted
//	                    ─▶ drop the partitions that are due
//	                    ─▶ a slice of other rows that are due ─▶ pause ─▶ the next slice …
//
// On PostgreSQL the transactions lie in partitions, which are dropped as a whole. SQLite
// has none. Deleting rows shares the store with the signatures, so it takes small
// slices. After each one it pauses for a multiple of the time that the slice took: the
// busier the store is, the longer. A backlog therefore takes a few minutes and slows
// nobody down.
//
// An export comes before the delete. A set of transactions becomes a file, which is on disk
// before the store may delete the set. After a crash in between, the set comes again, and
// the file that is there says what it has already.
//
// It decides when something is due, and nothing else. It must not know what the rows
// mean; how long parties can ask for an outcome is enforced by package engine.
package retention
