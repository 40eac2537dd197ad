package backup

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/signum-mssp/signum/internal/durable"
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
	if err := removeParts(dir); err != nil {
		return nil, err
	}
	f, err := durable.Lock(filepath.Join(dir, partBegin+rand.Text()+partEnd)) // mode 0600
	if err != nil {
		return nil, err
	}
	defer func() { // it stays locked for as long as it has this name
		_ = os.Remove(f.Name()) // unless it has been renamed
		err = errors.Join(err, f.Close())
	}()
	if m, err = Write(ctx, f, url, program, progress); err != nil {
		return nil, err
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	if err := publish(f.Name(), name); err != nil {
		return nil, err
	}
	return m, durable.SyncDir(dir)
}

// An archive that is being written has a name with these ends.
const partBegin, partEnd = ".signum-backup-", ".part"

// removeParts removes what backups left that were killed. Those that are being written are
// locked.
func removeParts(dir string) error {
	files, err := os.ReadDir(dir)
	for _, file := range files {
		if !strings.HasPrefix(file.Name(), partBegin) || !strings.HasSuffix(file.Name(), partEnd) {
			continue
		}
		f, locked := durable.Lock(filepath.Join(dir, file.Name()))
		if errors.Is(locked, durable.ErrLocked) {
			continue
		}
		if locked == nil {
			locked = errors.Join(os.Remove(f.Name()), f.Close())
		}
		err = errors.Join(err, locked)
	}
	return err
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
