//go:build !unix

package pgtest

// start can start a server only on Unix.
func start(bool) (string, error) { return "", errNotInstalled }

// startPooler can start PgBouncer only on Unix.
func startPooler(string) (string, error) { return "", errNoPooler }
