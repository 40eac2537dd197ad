package container

import (
	"path/filepath"
	"testing"

	"github.com/signum-mssp/signum/internal/testkit"
)

// The addresses of the two machines of the compose file (RFC 5737).
const (
	addressSignum = "192.0.2.1"
	addressApp    = "192.0.2.2"
	names         = addressSignum + " signum\n" + addressApp + " app\n"
)

// TestTwoMachines: a sandbox on one machine is ready for a program on another one, which
// knows its name.
func TestTwoMachines(t *testing.T) {
	t.Parallel()
	testkit.Needs(t, "curl")
	program, _ := build(t)
	signum, app := newMachine(t, "signum", names), newMachine(t, "app", names)
	connect(t, signum, addressSignum, app, addressApp)
	s := serve(t, "signum", signum.command(t.Context(), program, "sandbox", "--dir", filepath.Join(t.TempDir(), "box"),
		"--addr", "0.0.0.0:8443", "--web-addr", "0.0.0.0:8444", "--pki-addr", "0.0.0.0:8445", "--ops-addr", "0.0.0.0:8446"))
	s.awaitReady(t)
	if out, err := app.command(t.Context(), "curl", "-sSf", "http://signum:8446/readyz").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
