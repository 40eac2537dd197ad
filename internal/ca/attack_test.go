package ca

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Keys of a CA that other users of the machine can read, or exchange, are not used.
func TestAttackReadableKeys(t *testing.T) {
	for name, mode := range map[string]os.FileMode{".": 0o777, fileIssuingKey: 0o644, fileRootKey: 0o604} {
		dir := t.TempDir()
		a, err := Create(Config{URL: testURL}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Save(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(dir); err != nil {
			t.Fatalf("%s before: %v", name, err)
		}
		path := filepath.Join(dir, name)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s with mode %o: %v", name, mode, err)
		}
	}
}
