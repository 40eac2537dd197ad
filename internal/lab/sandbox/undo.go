package sandbox

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// footprint is what a directory contained before a start, so that a start that fails
// leaves nothing behind. Files hold keys, and nobody would look for them.
type footprint struct {
	dir       string
	temporary bool
	made      []string        // directories that are missing, the outermost first
	had       map[string]bool // paths in it
}

func look(dir string, temporary bool) (*footprint, error) {
	f := &footprint{dir: dir, temporary: temporary, had: make(map[string]bool)}
	for d := filepath.Join(dir, privateDir); !exists(d); d = filepath.Dir(d) {
		f.made = append([]string{d}, f.made...)
	}
	return f, f.each(func(path string) error {
		f.had[path] = true
		return nil
	})
}

// each calls do for everything in the directory that a sandbox may have written, the
// innermost last.
func (f *footprint) each(do func(path string) error) error {
	top, err := os.ReadDir(f.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range top {
		if err == nil && isOurs(e.Name()) {
			err = do(filepath.Join(f.dir, e.Name()))
		}
	}
	if err != nil {
		return err
	}
	return filepath.WalkDir(filepath.Join(f.dir, privateDir), func(path string, _ fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) { // not for us, or somebody else's
			return nil
		}
		if err != nil {
			return err
		}
		return do(path)
	})
}

// isOurs reports whether a file beside the private directory is one of the sandbox, or the
// unfinished copy that writeFile makes of it.
func isOurs(name string) bool {
	if i := strings.LastIndexByte(name, '-'); i > 0 && strings.HasPrefix(name, ".") {
		name = name[1:i]
	}
	return slices.Contains(clientFiles, name)
}

// forget removes the directories that the start made, if they are empty.
func (f *footprint) forget() {
	for _, d := range slices.Backward(f.made) {
		if err := os.Remove(d); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return
		}
	}
	if f.temporary {
		_ = os.Remove(f.dir)
	}
}

// undo removes what was not there before.
func (f *footprint) undo() error {
	if f.temporary {
		return os.RemoveAll(f.dir)
	}
	var added []string
	err := f.each(func(path string) error {
		if !f.had[path] {
			added = append(added, path)
		}
		return nil
	})
	for _, path := range slices.Backward(added) {
		err = errors.Join(err, os.Remove(path))
	}
	f.forget()
	return err
}
