//go:build !nolab

package main

import (
	"fmt"
	"testing"

	"github.com/signum-mssp/signum/internal/testkit"
)

// TestCIPage runs the examples of docs/ci.md, from top to bottom.
func TestCIPage(t *testing.T) {
	t.Parallel()
	testkit.Needs(t, "bash", "curl")
	box := t.TempDir()
	startSandbox(t, "--dir", box, "--phone-delay", "10ms")
	examples, setup := testkit.Examples(t, "../../docs/ci.md")
	dir := t.TempDir()
	for _, e := range examples {
		t.Run(fmt.Sprintf("line %d", e.Commands.Line), func(t *testing.T) {
			_ = e.Run(t, dir, "export SIGNUM_SANDBOX="+box+"\n"+setup)
		})
	}
	if len(examples) < 4 {
		t.Errorf("only %d examples", len(examples))
	}
}
