package durable

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
)

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, mode := range []os.FileMode{0o600, 0o644} {
		text := []byte(mode.String())
		if err := Write(path, text, mode); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, text) {
			t.Errorf("%q, %v", got, err)
		}
		if st, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && st.Mode() != mode {
			t.Errorf("mode %s, %v", st.Mode(), err)
		}
	}
	// A directory in the way is an error that leaves nothing behind.
	if err := os.MkdirAll(filepath.Join(dir, "taken", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(filepath.Join(dir, "taken"), nil, 0o600); err == nil {
		t.Error("a directory was replaced")
	}
	if err := Write(filepath.Join(dir, "none", "file"), nil, 0o600); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if names := list(t, dir); len(names) != 2 {
		t.Errorf("left: %q", names)
	}
}

// TestWriteAll: many files are replaced, and an error leaves no temporary file.
func TestWriteAll(t *testing.T) {
	for _, n := range []int{1, syncAlone, syncAlone + 1} {
		dir := t.TempDir()
		files := make(map[string][]byte)
		for i := range n {
			files[strconv.Itoa(i)] = []byte{byte(i)}
		}
		for range 2 {
			if err := WriteAll(dir, files, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for name, want := range files {
			if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
		if err := os.MkdirAll(filepath.Join(dir, "taken", "x"), 0o700); err != nil {
			t.Fatal(err)
		}
		files["taken"] = nil
		if err := WriteAll(dir, files, 0o600); err == nil {
			t.Error("a directory was replaced")
		}
		if names := list(t, dir); len(names) != n+1 {
			t.Errorf("left: %q", names)
		}
		if err := syncEach([]string{filepath.Join(dir, "0")}); err != nil {
			t.Error(err)
		}
	}
}

func list(t *testing.T, dir string) (names []string) {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}

func TestClean(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{Prefix + "1", Prefix + "2", "card.json", ".keep"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, Prefix+"dir"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Clean(dir); err != nil {
		t.Fatal(err)
	}
	if names := list(t, dir); len(names) != 3 {
		t.Errorf("left: %q", names)
	}
	if err := Clean(filepath.Join(dir, "none")); err != nil {
		t.Error(err)
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	f, err := Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := Lock(path); !errors.Is(err, ErrLocked) {
		t.Error("locked twice:", second, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f, err = Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}
