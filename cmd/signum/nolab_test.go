package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/testkit"
)

// TestNoLabBuild builds the program as an operator may, and checks which commands it has.
func TestNoLabBuild(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "signum")
	if err := testkit.GoBuild(".", ".", program, "-tags", "nolab"); err != nil {
		t.Fatal(err)
	}
	help, err := exec.CommandContext(t.Context(), program, "--help").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, help)
	}
	for command, want := range map[string]bool{"sign": true, "verify": true, "serve": true, "config": true, "ca": true, "party": true, "user": true, "sim": true, "sandbox": false, "phone": false} {
		if got := strings.Contains(string(help), "\n  "+command+" "); got != want {
			t.Errorf("command %s: %v, want %v\n%s", command, got, want, help)
		}
	}
	if out, err := exec.CommandContext(t.Context(), program, "sandbox").CombinedOutput(); err == nil {
		t.Errorf("signum sandbox ran\n%s", out)
	}
}
