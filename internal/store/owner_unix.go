//go:build unix

package store

import (
	"os"
	"path/filepath"
	"syscall"
)

// giveToOwner gives a new file that root has made to the owner of its directory. The
// node runs as that user, and could not open the file otherwise.
func giveToOwner(f *os.File) error {
	info, err := f.Stat()
	if err != nil || info.Size() > 0 || os.Geteuid() != 0 {
		return err
	}
	dir, err := os.Stat(filepath.Dir(f.Name()))
	if err != nil {
		return err
	}
	owner, ok := dir.Sys().(*syscall.Stat_t)
	if !ok || owner.Uid == 0 {
		return nil
	}
	return f.Chown(int(owner.Uid), int(owner.Gid))
}
