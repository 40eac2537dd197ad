//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// smallDisk is a file system of its own, in memory and small, so that it can be full without
// harm to others.
type smallDisk struct{ dir string }

// newSmallDisk makes one. Only root may do that.
func newSmallDisk(megabytes int) (*smallDisk, error) {
	dir, err := os.MkdirTemp("", "signum-crash-disk-")
	if err != nil {
		return nil, err
	}
	err = syscall.Mount("signum-crash", dir, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, fmt.Sprintf("size=%dm,mode=0755", megabytes))
	if err != nil {
		return nil, errors.Join(os.NewSyscallError("mount", err), os.Remove(dir))
	}
	return &smallDisk{dir}, nil
}

func (d *smallDisk) path(name string) string { return filepath.Join(d.dir, name) }

// fill leaves no space on the disk, until free.
func (d *smallDisk) fill() error {
	f, err := os.OpenFile(d.path("ballast"), os.O_CREATE|os.O_WRONLY, 0o600)
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

func (d *smallDisk) free() error { return os.Remove(d.path("ballast")) }

// remove is called once nobody uses the disk. There may be none.
func (d *smallDisk) remove() error {
	if d == nil {
		return nil
	}
	if err := syscall.Unmount(d.dir, 0); err != nil {
		return os.NewSyscallError("unmount", err)
	}
	return os.Remove(d.dir)
}
