package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/lab/sandbox"
	"github.com/signum-mssp/signum/internal/lab/softapp"
)

// shared is the sandbox of all tests of the package. It starts when the first of them
// needs it, and TestMain stops it.
var shared struct {
	start sync.Once
	box   *sandbox.Sandbox
	err   error
	stop  func() error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.stop != nil {
		if err := shared.stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// open returns the sandbox, which serves.
func open(t testing.TB) *sandbox.Sandbox {
	t.Helper()
	shared.start.Do(func() { shared.err = startSandbox() })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.box
}

func startSandbox() error {
	dir, err := os.MkdirTemp("", "interop-")
	if err != nil {
		return err
	}
	box, err := sandbox.Open(context.Background(), sandbox.Config{
		Dir: dir, Addr: "127.0.0.1:0", Cards: card.NewMemory(), Apps: new(softapp.Memory), Wrap: observed.wrap,
	})
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	ctx, cancel := context.WithCancel(context.Background())
	served, err := box.Start(ctx)
	if err != nil {
		cancel()
		return errors.Join(err, box.Close(), os.RemoveAll(dir))
	}
	shared.box = box
	shared.stop = func() error {
		cancel()
		return errors.Join(<-served, box.Close(), os.RemoveAll(dir))
	}
	return nil
}

var users atomic.Int64

// newUser adds a user, so that tests in parallel do not find a phone busy.
func newUser(t testing.TB, methods ...signum.Method) string {
	t.Helper()
	u := sandbox.User{MSISDN: fmt.Sprintf("+4179%07d", 6000000+users.Add(1)), Methods: methods, KeyType: signum.EC, Network: "22801"}
	if err := open(t).AddUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	return u.MSISDN
}

// workshop is a copy of a folder of testdata in which a test may write.
type workshop struct {
	t   testing.TB
	dir string
	env []string
}

// newWorkshop copies a folder of testdata. The programs that run in it find the
// sandbox by variables: SIGNUM_URL, SIGNUM_DIR with the files of the sandbox,
// SIGNUM_AP_ID, SIGNUM_PREFIX, and SIGNUM_SIM and SIGNUM_APP, the numbers of two users
// that no other test asks.
func newWorkshop(t testing.TB, name string) *workshop {
	t.Helper()
	box := open(t)
	w := &workshop{t: t, dir: t.TempDir()}
	w.set("SIGNUM_URL", box.Info.BaseURL)
	w.set("SIGNUM_DIR", box.Dir)
	w.set("SIGNUM_AP_ID", box.Info.APID)
	w.set("SIGNUM_PREFIX", box.Info.DTBDPrefix)
	w.set("SIGNUM_SIM", newUser(t, signum.SIM))
	w.set("SIGNUM_APP", newUser(t, signum.App))
	if err := os.CopyFS(w.dir, os.DirFS(filepath.Join("testdata", name))); err != nil {
		t.Fatal(err)
	}
	return w
}

// set gives the programs a variable.
func (w *workshop) set(name, value string) { w.env = append(w.env, name+"="+value) }

// link makes a file or directory of a cache appear in the workshop.
func (w *workshop) link(target, name string) {
	w.t.Helper()
	if err := os.Symlink(target, filepath.Join(w.dir, name)); err != nil {
		w.t.Fatal(err)
	}
}

// path lets the programs of a directory be found before others.
func (w *workshop) path(dir string) {
	w.set("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// follow runs the commands that docs/api.md gives under a name, and returns what they
// print. If one of them fails, so does the test, with everything that they wrote.
func (w *workshop) follow(name string) []byte {
	w.t.Helper()
	return w.run("sh", "-exc", instructions(w.t, name))
}

// instructions returns the block of docs/api.md that begins with ```sh NAME.
func instructions(t testing.TB, name string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "api.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(page), "\n```sh "+name+"\n")
	block, _, ended := strings.Cut(block, "\n```\n")
	if !found || !ended {
		t.Fatalf("docs/api.md has no commands for %s", name)
	}
	return block
}

// run runs a program in the workshop and returns its standard output.
func (w *workshop) run(program string, args ...string) []byte {
	w.t.Helper()
	out, err := w.try(program, args...)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// try is run for a program that may fail. The error has everything that it wrote.
func (w *workshop) try(program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(w.t.Context(), program, args...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = w.dir, append(os.Environ(), w.env...), 5*time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s%s", program, strings.Join(args, " "), err, &stdout, &stderr)
	}
	return stdout.Bytes(), nil
}

// folder returns the files of a folder of testdata that say what to fetch.
func folder(t testing.TB, name string, files ...string) fs.FS {
	t.Helper()
	f := make(fstest.MapFS)
	for _, file := range files {
		b, err := os.ReadFile(filepath.Join("testdata", name, file))
		if err != nil {
			t.Fatal(err)
		}
		f[file] = &fstest.MapFile{Data: b}
	}
	return f
}
