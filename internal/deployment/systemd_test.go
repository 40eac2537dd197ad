package deployment

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/testkit"
)

const units = "../../deploy/systemd"

// installed copies the units to a directory, with a program that exists here.
func installed(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(units)); err != nil {
		t.Fatal(err)
	}
	service := filepath.Join(dir, "signum.service")
	text, err := os.ReadFile(service)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), "/usr/local/bin/signum", "/bin/true", 1)
	if changed == string(text) {
		t.Fatal("the unit starts no /usr/local/bin/signum")
	}
	if err := os.WriteFile(service, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestUnits: systemd understands the units, one before 253 with the drop-in for it.
func TestUnits(t *testing.T) {
	t.Parallel()
	analyze := testkit.Program(t, "systemd-analyze")
	dir := installed(t)
	dropIn, err := os.ReadFile(filepath.Join(dir, "signum.service.d", "before-253.conf"))
	if err != nil || !strings.Contains(string(dropIn), "\nType=notify\n") {
		t.Fatalf("%v: %s", err, dropIn)
	}
	if version(t, analyze) < 253 { // it does not forgive the type that the drop-in replaces
		service := filepath.Join(dir, "signum.service")
		text, err := os.ReadFile(service)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(service, []byte(strings.Replace(string(text), "Type=notify-reload\n", "", 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if err := os.RemoveAll(filepath.Join(dir, "signum.service.d")); err != nil {
		t.Fatal(err)
	}
	for _, unit := range []string{"signum.service", "signum.socket"} {
		out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", filepath.Join(dir, unit)).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", unit, err, out)
		}
	}
}

// version is that of systemd.
func version(t *testing.T, analyze string) int {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), analyze, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(string(out)) // systemd 252 (252.38-1~deb12u1) …
	if len(words) < 2 {
		t.Fatalf("%q", out)
	}
	n, err := strconv.Atoi(words[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestExposure: what an attacker of the node gets of the machine is little.
func TestExposure(t *testing.T) {
	t.Parallel()
	analyze := testkit.Program(t, "systemd-analyze")
	out, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--no-pager", "--json=short", "--threshold=20",
		filepath.Join(installed(t), "signum.service")).Output()
	if err != nil {
		t.Errorf("more exposed than 2.0: %v", err)
	}
	var checks []struct {
		Set         *bool
		Name        string
		Description string
		Exposure    string
	}
	if err := json.Unmarshal(out, &checks); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var bad float64
	for _, c := range checks {
		if e, err := strconv.ParseFloat(c.Exposure, 64); err == nil && e > 0 {
			bad += e
			t.Logf("%s %s: %s", c.Exposure, c.Name, c.Description)
		}
	}
	if len(checks) < 50 || bad == 0 {
		t.Errorf("%d checks, which found an exposure of %.1f: the output has another form", len(checks), bad)
	}
}
