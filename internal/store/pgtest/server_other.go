//go:build !unix

package pgtest

// start knows how to start a server on Unix only.
func start(bool) (string, error) { return "", errNotInstalled }

// startPooler knows how to start one on Unix only.
func startPooler(string) (string, error) { return "", errNoPooler }
