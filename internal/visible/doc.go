// Package visible decides whether a person can see every character of a text, and in
// the order in which they are signed.
//
//	text ─▶ Check ─▶ policy refuses it (101), an App does not sign it
//	text ─▶ Runs  ─▶ pages, which isolate each run of right-to-left letters
//
// The same rules exist twice, in Go and in visible.js, which the pages load. Both use
// one table (table.go, visible-table.js), generated from the Unicode Character Database in
// directory ucd: the table of Go's package unicode, the operating system and the
// browser each have a version of their own. A test compares the verdicts for every
// code point in a browser.
//
// The package is pure. It must not know who sends a text, or on what it is shown.
package visible
