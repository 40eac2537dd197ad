//go:build linux

package container

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNoNames: a sandbox needs no name of any machine, also not its own or localhost. On an address by a
// name that nobody knows, it ends with one line.
func TestNoNames(t *testing.T) {
	t.Parallel()
	bare := newMachine(t, "bare", "")
	hosts := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(hosts, []byte("192.0.2.1 somebody\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := bare.command(t.Context(), "mount", "--bind", hosts, "/etc/hosts").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, args := range []string{"--addr 127.0.0.1:0", "--addr localhost:0", "--addr [::1]:0", "--addr 0.0.0.0:0 --host signum"} {
		out, err := bare.command(t.Context(), append([]string{program(t), "sandbox", "--once"}, strings.Fields(args)...)...).CombinedOutput()
		if err != nil || strings.Count(string(out), "VERIFIED") != 2 {
			t.Errorf("%s: %v\n%s", args, err, out)
		}
	}
	out, err := bare.command(t.Context(), program(t), "sandbox", "--once", "--addr", "bare:0").CombinedOutput()
	if err == nil || strings.Count(string(out), "\n") != 1 || !strings.HasPrefix(string(out), "signum: --addr: this machine finds no address of the name bare") {
		t.Errorf("%v\n%s", err, out)
	}
}
