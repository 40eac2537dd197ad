package durable

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncAll brings files of a directory to disk, with all that its file system has: one wait in
// place of one for each file.
func syncAll(dir string, paths []string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := unix.Syncfs(int(d.Fd())); errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		return syncEach(paths)
	} else if err != nil {
		return os.NewSyscallError("syncfs", err)
	}
	return nil
}
