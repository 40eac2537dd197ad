package testkit

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// InCI reports whether nothing may be skipped: whether the variable CI is set.
func InCI() bool { return os.Getenv("CI") != "" }

// Missing ends a test that cannot run here: it fails in CI and is skipped
// elsewhere. The reason should name what to install.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if InCI() {
		t.Fatalf(format, args...)
	} else {
		t.Skipf(format, args...)
	}
}

// Needs ends a test, as [Missing] does, unless all programs are installed.
func Needs(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		Program(t, p)
	}
}

// Program returns the path of the first of the given names that is installed.
// A name may be a path. If there is none, it ends the test as [Missing] does.
func Program(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	Missing(t, "%s is not installed; run make deps", names[0])
	return ""
}

// GoBuild builds a package of the module in the directory dir, as a release is built:
// without cgo. So does "make lint", whose work the compiler then does not repeat.
func GoBuild(dir, pkg, out string, flags ...string) error {
	cmd := exec.Command("go", append(append([]string{"build", "-o", out}, flags...), pkg)...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", pkg, err, text)
	}
	return nil
}

// Chromium returns the path of the browser.
func Chromium(t testing.TB) string {
	t.Helper()
	return Program(t, "/usr/bin/chromium", "chromium", "google-chrome")
}

// OpenSSL runs openssl and returns its standard output. The test fails if
// openssl does.
func OpenSSL(t testing.TB, stdin []byte, args ...string) []byte {
	t.Helper()
	cmd := openssl(t, stdin, args)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("openssl %v: %v\n%s", args, err, stderr.Bytes())
	}
	return out
}

// TryOpenSSL runs openssl and returns what it wrote to both outputs, with an
// error if it failed: for tests of what openssl must refuse.
func TryOpenSSL(t testing.TB, stdin []byte, args ...string) (string, error) {
	t.Helper()
	out, err := openssl(t, stdin, args).CombinedOutput()
	return string(out), err
}

func openssl(t testing.TB, stdin []byte, args []string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), Program(t, "openssl"), args...)
	cmd.Stdin = bytes.NewReader(stdin)
	return cmd
}
