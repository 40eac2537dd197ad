package deployment

import (
	"os/exec"
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
	for name := range node.Environment {
		if !strings.HasPrefix(name, "SIGNUM_LISTEN_") {
			continue
		}
		if _, _, err := config.Read("signum.yaml", nil, []string{name + "=wrong"}); err == nil || !strings.Contains(err.Error(), "environment: "+name+": ") {
			t.Errorf("%s is the variable of no key: %v", name, err)
		}
	}
}
