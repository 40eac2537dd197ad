package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile writes an archive to a file that does not exist yet, and only its owner can
// read. The file has its name once it is complete and on disk.
func WriteFile(ctx context.Context, name, url, program string, progress Progress) (m *Manifest, err error) {
	if _, err := os.Lstat(name); err == nil {
		return nil, fmt.Errorf("%s exists already: give another name, or remove it", name)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	dir := filepath.Dir(name)
	f, err := os.CreateTemp(dir, "."+filepath.Base(name)+".part-*") // mode 0600
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	m, err = Write(ctx, f, url, program, progress)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if err := publish(f.Name(), name); err != nil {
		return nil, err
	}
	return m, syncDir(dir)
}

// publish gives a file its name. A link, unlike a rename, does not replace what somebody
// has made meanwhile, but not all file systems have links.
func publish(from, name string) error {
	err := os.Link(from, name)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists already: give another name, or remove it", name)
	}
	if err != nil {
		return os.Rename(from, name)
	}
	return nil
}

func syncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
