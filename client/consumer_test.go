package client_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestConsumer makes a module that imports only package client, and checks which
// modules that needs: the database drivers, browsers and emulators of the service must
// not come along.
func TestConsumer(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum")) // so that no checksum database is asked
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.org/consumer\n\ngo 1.26.0\n\nrequire github.com/signum-mssp/signum v0.0.0\n\n" +
			"replace github.com/signum-mssp/signum => " + root + "\n",
		"go.sum":  string(sums),
		"main.go": "package main\n\nimport _ \"github.com/signum-mssp/signum/client\"\n\nfunc main() {}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) []string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOSUMDB=off")
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go %v: %v\n%s", args, err, &stderr)
		}
		lines := strings.Fields(string(out))
		slices.Sort(lines)
		return slices.Compact(lines)
	}
	want := []string{"github.com/signum-mssp/signum", "golang.org/x/crypto"}

	run("mod", "tidy")
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range regexp.MustCompile(`(?m)^(?:require)?\s+(\S+) v\d`).FindAllStringSubmatch(string(mod), -1) {
		got = append(got, m[1])
	}
	if !slices.Equal(got, want) {
		t.Errorf("go.mod of a consumer requires %q, want %q", got, want)
	}
	got = run("list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}", ".")
	if !slices.Equal(got, want) {
		t.Errorf("modules that a consumer compiles are %q, want %q", got, want)
	}
}
