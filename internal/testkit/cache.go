package testkit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// NodePackages returns a directory with these files, among them a package.json and
// its lock file, and with the npm packages that they name.
func NodePackages(t testing.TB, name string, files fs.FS) string {
	t.Helper()
	Needs(t, "node", "npm")
	return fetched(t, name, files, "", func(run runner) error {
		return run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	})
}

// PythonPackages returns a directory with these files, among them a
// requirements.txt that pins every package with its hashes, and with a virtual
// environment that contains the packages: .venv/bin/python.
func PythonPackages(t testing.TB, name string, files fs.FS) string {
	t.Helper()
	python := Program(t, "/usr/bin/python3", "python3")
	version, err := exec.Command(python, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	return fetched(t, name, files, string(version), func(run runner) error {
		if err := run(python, "-m", "venv", ".venv"); err != nil {
			return err
		}
		return run(".venv/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
			"--no-deps", "--require-hashes", "--requirement", "requirements.txt")
	})
}

// oneMaven: two processes must not write to the local repository at once.
var oneMaven sync.Mutex

// JavaPackages returns a directory with these files, among them a pom.xml, and with
// the archives that it depends on: lib/*.jar.
func JavaPackages(t testing.TB, name string, files fs.FS) string {
	t.Helper()
	Needs(t, "mvn", "javac")
	return fetched(t, name, files, "", func(run runner) error {
		oneMaven.Lock()
		defer oneMaven.Unlock()
		return run("mvn", "--batch-mode", "--quiet", "dependency:copy-dependencies", "-DoutputDirectory=lib")
	})
}

// runner runs a program in the directory that is being made.
type runner func(program string, args ...string) error

// fetched returns a directory with these files and with what fetch adds. It is made
// once for the same files and the same version of a tool, and kept in the user's
// cache. If it cannot be fetched, the test ends as [Missing] does.
func fetched(t testing.TB, name string, files fs.FS, version string, fetch func(runner) error) string {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	cache, err := os.UserCacheDir()
	must(err)
	base := filepath.Join(cache, "signum-test")
	must(os.MkdirAll(base, 0o700))
	making, err := os.MkdirTemp(base, "making-")
	must(err)
	defer os.RemoveAll(making)
	sum := sha256.New()
	sum.Write([]byte(version))
	must(fs.WalkDir(files, ".", func(file string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := fs.ReadFile(files, file)
		if err != nil {
			return err
		}
		sum.Write(b)
		to := filepath.Join(making, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		return os.WriteFile(to, b, 0o600)
	}))
	dir := filepath.Join(base, name+"-"+hex.EncodeToString(sum.Sum(nil)[:8]))
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	err = fetch(func(program string, args ...string) error {
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Dir = making
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Logf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
		}
		return err
	})
	if err != nil {
		Missing(t, "the packages of %s cannot be fetched: %v", name, err)
		return ""
	}
	if err := os.Rename(making, dir); err != nil {
		if _, there := os.Stat(dir); there != nil { // and no other process was faster
			t.Fatal(err)
		}
	}
	return dir
}
