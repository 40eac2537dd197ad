package durable

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// syncAlone is up to how many files are synced one by one.
const syncAlone = 8

// WriteAll replaces or creates many files of a directory, by their names. It costs little more
// than one Write. After a crash some files may be old and others new.
func WriteAll(dir string, files map[string][]byte, mode fs.FileMode) (err error) {
	tmp := make(map[string]string, len(files)) // by the name that a file will have
	defer func() {
		if err != nil {
			for _, path := range tmp {
				_ = os.Remove(path) // it may have its name already
			}
		}
	}()
	alone := len(files) <= syncAlone
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if tmp[name], err = writeTemporary(dir, files[name], mode, alone); err != nil {
			return err
		}
	}
	if !alone {
		if err = syncAll(dir, slices.Sorted(maps.Values(tmp))); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(tmp)) {
		if err = os.Rename(tmp[name], filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return SyncDir(dir)
}

// writeTemporary returns the path of the file even if it fails.
func writeTemporary(dir string, data []byte, mode fs.FileMode, sync bool) (string, error) {
	f, err := os.CreateTemp(dir, Prefix+"*") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil && sync {
		err = f.Sync()
	}
	return f.Name(), errors.Join(err, f.Close())
}

// syncEach syncs files that were closed.
func syncEach(paths []string) error {
	for _, path := range paths {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}
