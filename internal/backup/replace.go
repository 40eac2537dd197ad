package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/signum-mssp/signum/internal/durable"
	"github.com/signum-mssp/signum/internal/store"
)

// sqliteFiles are the ends of the names of the files that are one database of SQLite.
// The last one is the database itself; what is in the others belongs to it alone.
var sqliteFiles = []string{"-shm", "-wal", ""}

// file restores into a new file, which takes the place of the database at the end.
func (r *restore) file(ctx context.Context, path string) error {
	info, err := os.Stat(path)
	exists := err == nil && info.Size() > 0
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case exists && !r.Replace:
		return fmt.Errorf("%s: %w", path, store.ErrNotEmpty)
	}
	part := path + ".restoring"
	if err := remove(part); err != nil { // what an interrupted restore left
		return err
	}
	defer remove(part)
	if err := r.into(ctx, "sqlite:"+part); err != nil {
		return err
	}
	if err := syncFile(part); err != nil {
		return err
	}
	return r.swap(part, path, exists)
}

// swap puts a restored file in the place of the database. From its first step to its last
// one, the file has the name that store.RestoredFile returns, and no node opens the
// database: in between there may be no database, and a node would begin an empty one.
func (r *restore) swap(part, path string, exists bool) error {
	restored, dir := store.RestoredFile(path), filepath.Dir(path)
	if err := errors.Join(r.rename(part, restored), durable.SyncDir(dir)); err != nil {
		return err
	}
	kept := path + ".replaced-" + time.Now().UTC().Format("20060102T150405.000Z")
	for _, end := range sqliteFiles {
		if end == "" && !exists { // perhaps an empty file
			break
		}
		// What belongs to another file must not be taken for a part of the new one.
		switch err := r.rename(path+end, kept+end); {
		case err == nil && end == "":
			r.report.Replaced = kept
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	return errors.Join(r.rename(restored, path), durable.SyncDir(dir))
}

func remove(path string) (err error) {
	for _, end := range sqliteFiles {
		if gone := os.Remove(path + end); !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}
	return err
}

func syncFile(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
