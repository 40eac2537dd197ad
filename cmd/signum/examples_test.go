//go:build !nolab

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/testkit"
)

const examplesDir = "../../examples"

// TestExamples runs each folder of examples with the command that examples/README.md
// gives, all against one sandbox. Each must see the user approve, then refuse.
func TestExamples(t *testing.T) {
	testkit.Needs(t, "sh", "curl", "openssl", "go", "python3", "node", "java", "php")
	box := t.TempDir()
	startSandbox(t, "--dir", box, "--phone-delay", "10ms")
	readme := readPage(t, filepath.Join(examplesDir, "README.md"))
	folders, err := os.ReadDir(examplesDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		if !f.IsDir() || f.Name() == "compose" { // which package internal/container runs
			continue
		}
		t.Run(f.Name(), func(t *testing.T) {
			out := runIn(t, exampleFolder(t, f.Name()), "SIGNUM_SANDBOX="+box, commandsOf(t, readme, f.Name()))
			said := strings.Index(out, "signed: Sandbox: Log in to example.com?")
			if said < 0 || !strings.Contains(out[said:], "refused: 401") {
				t.Errorf("no user approved and then refused:\n%s", out)
			}
		})
	}
}

// A reader takes an example in at one glance.
func TestExamplesAreShort(t *testing.T) {
	files, err := filepath.Glob(examplesDir + "/*/*")
	if err != nil || len(files) < 7 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		if lines := strings.Count(readPage(t, file), "\n"); lines >= 60 {
			t.Errorf("%s has %d lines", file, lines)
		}
	}
}

// A command with a sandbox of its own gets its directory, and its exit code is that of the
// command. The sandbox is gone afterwards.
func TestWithSignum(t *testing.T) {
	t.Parallel()
	testkit.Needs(t, "sh")
	with, err := filepath.Abs(filepath.Join(examplesDir, "shell", "with-signum.sh"))
	if err != nil {
		t.Fatal(err)
	}
	temp := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "sh", with, "sh", "-c", "signum sign +41791000001 Hello && exit 7")
	cmd.Env, cmd.WaitDelay = append(os.Environ(), "TMPDIR="+temp), 5*time.Second
	out, err := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != 7 || !strings.Contains(string(out), "Verified     yes") {
		t.Errorf("exit %d, %v\n%s", code, err, out)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// exampleFolder is a copy of an example, which may write to its folder. Go needs the module
// around it.
func exampleFolder(t *testing.T, name string) string {
	t.Helper()
	folder := filepath.Join(examplesDir, name)
	if name == "go" {
		return folder
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// commandsOf returns the block of a page that begins with ```sh NAME.
func commandsOf(t *testing.T, page, name string) string {
	t.Helper()
	m := regexp.MustCompile("(?s)\n```sh " + regexp.QuoteMeta(name) + "\n(.*?\n)```\n").FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("the page has no commands for %s", name)
	}
	return m[1]
}

// runIn runs commands in a directory and returns what they print. The program signum is this
// one, see TestMain.
func runIn(t *testing.T, dir, variable, commands string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-euc", commands)
	cmd.Dir, cmd.Env, cmd.WaitDelay = dir, append(os.Environ(), variable), 5*time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s%s", err, commands, out)
	}
	return string(out)
}
