package scripts

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/testkit"
)

// fake is a module with one package that passes, one that fails the first time,
// and one that always fails.
var fake = map[string]string{
	"go.mod":           "module example.org/fake\n\ngo 1.26\n",
	"good/a_test.go":   "package good\nimport \"testing\"\nfunc TestGood(t *testing.T) {}\n",
	"always/a_test.go": "package always\nimport \"testing\"\nfunc TestAlways(t *testing.T) { t.Fatal(\"no\") }\n",
	"once/a_test.go": `package once
import ("os"; "testing")
func TestOnce(t *testing.T) {
	if _, err := os.Stat("seen"); err != nil {
		os.WriteFile("seen", nil, 0o600)
		t.Fatal("the first run")
	}
}
`,
	"many/a_test.go": `package many
import "testing"
func TestA(t *testing.T) { t.Fatal() }
func TestB(t *testing.T) { t.Fatal() }
func TestC(t *testing.T) { t.Fatal() }
func TestD(t *testing.T) { t.Fatal() }
`,
}

// TestRerun: a test that fails once is named and does not fail the run; one
// that fails twice does, and so do four at once, which are not run again.
func TestRerun(t *testing.T) {
	testkit.Needs(t, "bash", "awk", "gcc")
	script, err := filepath.Abs("test.sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name     string
		packages []string
		fails    bool
		flaky    []string
		done     string // how the last line begins
	}{
		{"all pass", []string{"./good"}, false, nil, "DONE 1 tests in"},
		{"one fails once", []string{"./good", "./once"}, false, []string{"flaky: example.org/fake/once.TestOnce"}, "DONE 2 runs, 3 tests, 1 failure in"},
		{"one fails always", []string{"./good", "./always"}, true, nil, "DONE 2 runs, 3 tests, 2 failures in"},
		{"both", []string{"./once", "./always"}, true, []string{"flaky: example.org/fake/once.TestOnce"}, "DONE 2 runs, 4 tests, 3 failures in"},
		{"too many", []string{"./once", "./many"}, true, nil, "DONE 5 tests, 5 failures in"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for name, text := range fake {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.CommandContext(t.Context(), script, tt.packages...)
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			if (err != nil) != tt.fails {
				t.Errorf("the run ended with %v, want a failure: %v", err, tt.fails)
			}
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			if last := lines[len(lines)-1]; !strings.HasPrefix(last, tt.done) {
				t.Errorf("the last line is %q, want it to begin with %q", last, tt.done)
			}
			var flaky []string
			for _, l := range lines {
				if strings.HasPrefix(l, "flaky:") {
					flaky = append(flaky, l)
				}
			}
			if strings.Join(flaky, "\n") != strings.Join(tt.flaky, "\n") {
				t.Errorf("flaky are %q, want %q", flaky, tt.flaky)
			}
			if t.Failed() {
				t.Logf("%s", out)
			}
		})
	}
}
