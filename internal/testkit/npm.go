package testkit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// NodePackages returns a directory with these files, among them a package.json and
// its lock file, and with the packages that they name. It is made once and kept in
// the user's cache.
func NodePackages(t testing.TB, name string, files fs.FS) string {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	Needs(t, "node", "npm")
	cache, err := os.UserCacheDir()
	must(err)
	entries, err := fs.ReadDir(files, ".")
	must(err)
	base := filepath.Join(cache, "signum-test")
	must(os.MkdirAll(base, 0o700))
	making, err := os.MkdirTemp(base, "making-")
	must(err)
	defer os.RemoveAll(making)
	sum := sha256.New()
	for _, e := range entries {
		b, err := fs.ReadFile(files, e.Name())
		must(err)
		sum.Write(b)
		must(os.WriteFile(filepath.Join(making, e.Name()), b, 0o600))
	}
	dir := filepath.Join(base, name+"-"+hex.EncodeToString(sum.Sum(nil)[:8]))
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	ci := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	ci.Dir = making
	if out, err := ci.CombinedOutput(); err != nil {
		Missing(t, "npm cannot fetch the packages of %s: %v\n%s", name, err, out)
	}
	if err := os.Rename(making, dir); err != nil {
		if _, there := os.Stat(dir); there != nil { // and no other process was faster
			t.Fatal(err)
		}
	}
	return dir
}
