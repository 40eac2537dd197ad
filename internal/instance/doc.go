// Package instance decides whether a database belongs to the service whose CA and
// master key are at hand.
//
//	mssp.Ties ──▶ Files.Match ──▶ mssp.Instance, ca.Authority, or why not
//	database      CA directory, master key
//
// A node asks before it changes anything, and so do the commands that restore or check a
// database. A database that was used with the files of another service would get
// certificates that no party trusts, and counters for cards whose keys cannot be read.
//
// The package must not know how a database is opened, and makes no CA.
package instance
