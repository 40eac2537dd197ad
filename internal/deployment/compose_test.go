package deployment

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/testkit"
)

// TestCompose: docker-compose accepts the file. The nodes start when the database is up to date, have
// names of their own and no rights that they do not need, and each variable is a key of their
// configuration. The balancer is in a network that they trust.
func TestCompose(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), testkit.Program(t, "docker-compose"), "--file", "../../deploy/compose.yaml", "config").Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var file struct {
		Services map[string]struct {
			Image       string
			User        string
			Hostname    string
			ReadOnly    bool          `yaml:"read_only"`
			CapDrop     []string      `yaml:"cap_drop"`
			Grace       time.Duration `yaml:"stop_grace_period"`
			Environment map[string]string
			DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
			Networks    map[string]struct {
				Address string `yaml:"ipv4_address"`
			}
		}
	}
	if err := yaml.Unmarshal(out, &file); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if on := file.Services["migrate"].DependsOn["database"].Condition; on != "service_healthy" {
		t.Errorf("the migration waits for %q", on)
	}
	drain := config.Default().Drain
	for _, name := range []string{"node1", "node2"} {
		node := file.Services[name]
		if node.Image != "localhost/signum:latest" || node.User != "65532:65532" || !node.ReadOnly || len(node.CapDrop) != 1 || node.CapDrop[0] != "ALL" {
			t.Errorf("%s is %+v", name, node)
		}
		if node.Hostname != name {
			t.Errorf("the host name of %s is %q", name, node.Hostname)
		}
		if least := drain.Announce + drain.Wait + time.Minute; node.Grace < least {
			t.Errorf("%s has %s to stop, and needs %s", name, node.Grace, least)
		}
		if on := node.DependsOn["migrate"].Condition; on != "service_completed_successfully" {
			t.Errorf("%s waits for %q of the migration", name, on)
		}
		if proxy := file.Services["balancer"].Networks["service"].Address; node.Environment["SIGNUM_TRUSTED_PROXIES"] != proxy {
			t.Errorf("%s trusts %s, and the balancer is %s", name, node.Environment["SIGNUM_TRUSTED_PROXIES"], proxy)
		}
		if address := node.Networks["service"].Address; file.Services["balancer"].Environment["SIGNUM_"+strings.ToUpper(name)] != address {
			t.Errorf("the balancer does not know that %s is %s", name, address)
		}
		checkListeners(t, node.Environment)
	}
}

// checkListeners: each variable for a listener sets something.
func checkListeners(t *testing.T, environment map[string]string) {
	t.Helper()
	empty := filepath.Join(t.TempDir(), "signum.yaml")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range environment {
		if !strings.HasPrefix(name, "SIGNUM_LISTEN_") {
			continue
		}
		without, err := config.Listeners(empty, nil)
		if err != nil {
			t.Fatal(err)
		}
		with, err := config.Listeners(empty, []string{name + "=" + value})
		if err != nil || reflect.DeepEqual(with, without) {
			t.Errorf("%s=%s sets nothing: %v", name, value, err)
		}
	}
}
