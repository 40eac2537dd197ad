package check

import (
	"path/filepath"
	"strings"
)

// lowDisk is the share of a disk, in percent, below which it is nearly full.
const lowDisk = 10

// disk checks the space beside a file of SQLite.
func (r *run) disk() {
	if strings.Contains(r.URL, "://") { // the disk of another machine
		return
	}
	path := strings.TrimPrefix(r.URL, "sqlite:")
	free := r.free
	if free == nil {
		free = freeDisk
	}
	if percent, known := free(filepath.Dir(path)); known && percent < lowDisk {
		r.add("disk", Warning, "make room: without space the service refuses every request", "only %d %% of the disk of %s are free", percent, path)
	}
}
