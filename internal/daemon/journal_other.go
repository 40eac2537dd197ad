//go:build !unix

package daemon

import "io"

// toJournal reports that there is no journal.
func toJournal(io.Writer, string) bool { return false }
