//go:build unix

package check

import (
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// lowDisk is the share of a disk, in percent, below which it is nearly full.
const lowDisk = 10

// disk checks the space beside a file of SQLite.
func (r *run) disk() {
	path, ok := strings.CutPrefix(r.URL, "sqlite:")
	if !ok {
		return
	}
	var s unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(path), &s); err != nil || s.Blocks == 0 {
		return
	}
	if free := uint64(s.Bavail) * 100 / uint64(s.Blocks); free < lowDisk {
		r.add("disk", Warning, "make room: without space the service refuses every request", "only %d %% of the disk of %s are free", free, path)
	}
}
