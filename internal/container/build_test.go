package container

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// programs are the binary of Signum, static and without the race detector as it is
// released, and the tool that makes an image of it.
var programs struct {
	once         sync.Once
	dir          string
	signum, tool string
	err          error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if programs.dir != "" {
		if err := os.RemoveAll(programs.dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// build builds the programs when the first test needs them.
func build(t *testing.T) (signum, tool string) {
	t.Helper()
	p := &programs
	p.once.Do(func() {
		if p.dir, p.err = os.MkdirTemp("", "container-"); p.err != nil {
			return
		}
		p.signum, p.tool = filepath.Join(p.dir, "signum"), filepath.Join(p.dir, "image")
		root := filepath.Join("..", "..")
		if p.err = goBuild(root, p.signum, "./cmd/signum", "GOOS=linux"); p.err == nil {
			p.err = goBuild(filepath.Join(root, "tools"), p.tool, "./image")
		}
	})
	if p.err != nil {
		t.Fatal(p.err)
	}
	return p.signum, p.tool
}

// goBuild builds a package without cgo, as the release is, because an image from scratch
// has no C library.
func goBuild(dir, out, pkg string, env ...string) error {
	cmd := exec.Command("go", "build", "-o", out, pkg)
	cmd.Dir, cmd.Env = dir, append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", pkg, err, text)
	}
	return nil
}

// makeImage runs the tool as scripts/release.sh does, with these variables besides, and
// returns the archive.
func makeImage(t *testing.T, env ...string) string {
	t.Helper()
	signum, tool := build(t)
	archive := filepath.Join(t.TempDir(), "image.tar")
	cmd := exec.Command(tool, "-binary", signum, "-platform", "linux/"+runtime.GOARCH, "-license", filepath.Join("..", "..", "LICENSE"),
		"-version", "v1.2.3", "-commit", "0123abcd", "-date", "2026-11-01T10:00:00Z", "-out", archive)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return archive
}
