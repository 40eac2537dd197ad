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

// built is what all tests use: the binary of Signum, static and without the race detector
// as it is released, the tool that makes an image of it, and an image.
var built struct {
	once                sync.Once
	dir                 string
	signum, tool, image string
	err                 error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		if err := os.RemoveAll(built.dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// build builds what the tests need when the first of them does.
func build(t *testing.T) {
	t.Helper()
	b := &built
	b.once.Do(func() {
		if b.dir, b.err = os.MkdirTemp("", "container-"); b.err != nil {
			return
		}
		b.signum, b.tool, b.image = filepath.Join(b.dir, "signum"), filepath.Join(b.dir, "tool"), filepath.Join(b.dir, "image.tar")
		root := filepath.Join("..", "..")
		if b.err = testkit.GoBuild(root, "./cmd/signum", b.signum, "-ldflags", "-s -w"); b.err != nil {
			return
		}
		if b.err = testkit.GoBuild(filepath.Join(root, "tools"), "./image", b.tool); b.err == nil {
			b.err = makeImage(b.image)
		}
	})
	if b.err != nil {
		t.Fatal(b.err)
	}
}

// program returns the binary.
func program(t *testing.T) string {
	t.Helper()
	build(t)
	return built.signum
}

// image returns the archive of the image.
func image(t *testing.T) string {
	t.Helper()
	build(t)
	return built.image
}

// makeImage runs the tool as scripts/release.sh does, with these variables besides.
func makeImage(archive string, env ...string) error {
	cmd := exec.Command(built.tool, "-binary", built.signum, "-platform", "linux/"+runtime.GOARCH, "-license", filepath.Join("..", "..", "LICENSE"),
		"-version", "v1.2.3", "-commit", "0123abcd", "-date", "2026-11-01T10:00:00Z", "-out", archive)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}
