//go:build !nolab

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/signum-mssp/signum/internal/testkit"
)

const examplesDir = "../../examples"

// otherExamples are not the log-in that TestPages runs.
var otherExamples = map[string]string{
	"compose":             "internal/container runs its topology",
	"testcontainers-java": "TestTestcontainers compiles it, because there is no Docker",
	"testcontainers-node": "TestTestcontainers parses it",
}

// runExamples runs each folder of examples with the command that examples/README.md
// gives. Each must see the user approve, then refuse.
func runExamples(t *testing.T, box string) {
	testkit.Needs(t, "sh", "curl", "openssl", "go", "python3", "node", "java", "php")
	readme := readPage(t, filepath.Join(examplesDir, "README.md"))
	folders, err := os.ReadDir(examplesDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		if !f.IsDir() || otherExamples[f.Name()] != "" {
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
		if info, err := os.Stat(file); err != nil || info.IsDir() {
			continue
		}
		if lines := strings.Count(readPage(t, file), "\n"); lines >= 60 {
			t.Errorf("%s has %d lines", file, lines)
		}
	}
}

// The classes for Testcontainers fit its library. Nothing runs them here.
func TestTestcontainers(t *testing.T) {
	t.Parallel()
	testkit.Needs(t, "javac", "node")
	java := filepath.Join(examplesDir, "testcontainers-java")
	jars := testkit.JavaPackages(t, "testcontainers", fstest.MapFS{"pom.xml": {Data: []byte(readPage(t, filepath.Join(java, "pom.xml")))}})
	for _, cmd := range [][]string{
		{"javac", "-Xlint:all", "-Werror", "-d", t.TempDir(), "-cp", jars + "/lib/*", filepath.Join(java, "SignumContainer.java")},
		{"node", "--check", filepath.Join(examplesDir, "testcontainers-node", "signum-container.mjs")},
	} {
		if out, err := exec.CommandContext(t.Context(), cmd[0], cmd[1:]...).CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", cmd, err, out)
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
