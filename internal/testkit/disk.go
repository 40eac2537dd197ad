//go:build linux

package testkit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// SmallDisk is a file system of its own, in memory and small, so that it can be full without
// harm to others.
type SmallDisk struct{ dir string }

// NewSmallDisk makes one. Only root may do that.
func NewSmallDisk(megabytes int) (*SmallDisk, error) {
	dir, err := os.MkdirTemp("", "signum-test-disk-")
	if err != nil {
		return nil, err
	}
	err = syscall.Mount("signum-test", dir, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, fmt.Sprintf("size=%dm,mode=0755", megabytes))
	if err != nil {
		return nil, errors.Join(os.NewSyscallError("mount", err), os.Remove(dir))
	}
	return &SmallDisk{dir}, nil
}

// Path returns the path of a file on the disk.
func (d *SmallDisk) Path(name string) string { return filepath.Join(d.dir, name) }

// Fill leaves no space on the disk, until Free.
func (d *SmallDisk) Fill() error {
	f, err := os.OpenFile(d.Path("ballast"), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	for size := int64(0); ; {
		var s syscall.Statfs_t
		if err := syscall.Fstatfs(int(f.Fd()), &s); err != nil {
			return err
		}
		free := int64(s.Bavail) * s.Bsize
		err := syscall.Fallocate(int(f.Fd()), 0, size, free)
		switch {
		case free == 0:
			return nil
		case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EINTR): // others write, too
		case err != nil:
			return os.NewSyscallError("fallocate", err)
		default:
			size += free
		}
	}
}

// Free makes the space free again.
func (d *SmallDisk) Free() error { return os.Remove(d.Path("ballast")) }

// Remove is called once nobody uses the disk. There may be none.
func (d *SmallDisk) Remove() error {
	if d == nil {
		return nil
	}
	if err := syscall.Unmount(d.dir, 0); err != nil {
		return os.NewSyscallError("unmount", err)
	}
	return os.Remove(d.dir)
}
