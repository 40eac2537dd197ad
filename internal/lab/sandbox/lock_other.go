//go:build !unix

package sandbox

import (
	"os"
	"path/filepath"
)

// lockDir opens the lock file only: this system has no lock that goes with
// the process.
func lockDir(dir string) (*os.File, error) {
	return os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
}
