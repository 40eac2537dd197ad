package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Prefix begins the names of files that are being written.
const Prefix = ".tmp-"

// Write replaces a file, or creates it.
func Write(path string, data []byte, mode fs.FileMode) error {
	return WriteAll(filepath.Dir(path), map[string][]byte{filepath.Base(path): data}, mode)
}

// SyncDir brings the names of a directory to disk. Windows cannot do that.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Clean removes what a killed process left half written in a directory. The caller must be
// the only one that writes there. A directory that does not exist is clean.
func Clean(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("files left by a crash: %w", err)
	}
	for _, e := range entries {
		if e.Type().IsRegular() && strings.HasPrefix(e.Name(), Prefix) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return fmt.Errorf("file left by a crash: %w", err)
			}
		}
	}
	return nil
}
