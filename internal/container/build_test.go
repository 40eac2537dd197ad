package container

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/signum-mssp/signum/internal/testkit"
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
		if p.err = testkit.GoBuild(root, "./cmd/signum", p.signum); p.err == nil {
			p.err = testkit.GoBuild(filepath.Join(root, "tools"), "./image", p.tool)
		}
	})
	if p.err != nil {
		t.Fatal(p.err)
	}
	return p.signum, p.tool
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
