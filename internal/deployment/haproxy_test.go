package deployment

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/testkit"
)

// TestHAProxy: HAProxy accepts its configuration without a warning, for nodes at addresses of both
// kinds.
func TestHAProxy(t *testing.T) {
	t.Parallel()
	haproxy := testkit.Program(t, "haproxy", "/usr/sbin/haproxy")
	for _, nodes := range [][2]string{{"192.0.2.1", "192.0.2.2"}, {"[2001:db8::1]", "[2001:db8::2]"}, {"localhost", "localhost"}} {
		cmd := exec.CommandContext(t.Context(), haproxy, "-c", "-f", "../../deploy/haproxy.cfg")
		cmd.Env = []string{"SIGNUM_NODE1=" + nodes[0], "SIGNUM_NODE2=" + nodes[1]}
		out, err := cmd.CombinedOutput()
		if err != nil || strings.Contains(string(out), "WARNING") {
			t.Errorf("%q: %s", nodes, fmt.Sprint(err, "\n", string(out)))
		}
	}
}
