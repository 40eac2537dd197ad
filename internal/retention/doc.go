// Package retention deletes what a node need not keep any longer.
//
//	Job ─ once a minute ─▶ a slice of rows that are due ─▶ pause ─▶ the next slice …
//
// Deleting shares the store with the signatures, so it takes small slices. After each
// one it pauses for a multiple of the time that the slice took: the busier the store
// is, the longer. A backlog therefore takes a few minutes and slows nobody down.
//
// It decides when something is due, and nothing else. It must not know what the rows
// mean; how long parties can ask for an outcome is enforced by package engine.
package retention
