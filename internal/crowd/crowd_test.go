//go:build linux

package main

import (
	"os"
	"testing"
	"time"
)

// TestMain lets the test run its own program as the node.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "node" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestCrowd: a small crowd. All requests end as they must. Whether all of them wait at a
// time depends on the machine.
func TestCrowd(t *testing.T) {
	p := plan{
		requests: 250, parties: 5, conns: 20, approve: 4, after: time.Second, timeout: 4, extra: 2, lenient: true,
		dir: t.TempDir(), out: t.Output(),
	}
	if err := crowd(t.Context(), p); err != nil {
		t.Error(err)
	}
}
