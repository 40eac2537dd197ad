//go:build unix

package store

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A database that root makes belongs to the owner of its directory, as whom the node runs.
func TestSQLiteOwner(t *testing.T) {
	dir := t.TempDir()
	owner := os.Geteuid()
	if owner == 0 {
		owner = 12345
		if err := os.Chown(dir, owner, owner); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, "sqlite:"+filepath.Join(dir, "test.db"))
	insert(t, s, 0, 1)
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 3 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil || int(info.Sys().(*syscall.Stat_t).Uid) != owner {
			t.Errorf("%s: %+v, %v", f.Name(), info, err)
		}
	}
}
