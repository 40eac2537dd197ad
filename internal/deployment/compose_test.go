package deployment

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/testkit"
)

// TestCompose: docker-compose accepts the file. The node starts when its database is healthy, has no
// rights that it does not need, and each variable is a key of its configuration.
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
			ReadOnly    bool     `yaml:"read_only"`
			CapDrop     []string `yaml:"cap_drop"`
			Environment map[string]string
			DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
		}
	}
	if err := yaml.Unmarshal(out, &file); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	node := file.Services["signum"]
	if node.Image != "localhost/signum:latest" || node.User != "65532:65532" || !node.ReadOnly || len(node.CapDrop) != 1 || node.CapDrop[0] != "ALL" {
		t.Errorf("the node is %+v", node)
	}
	if node.DependsOn["database"].Condition != "service_healthy" {
		t.Errorf("the node waits for %v", node.DependsOn)
	}
	empty := filepath.Join(t.TempDir(), "signum.yaml")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range node.Environment {
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
