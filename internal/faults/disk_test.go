//go:build linux

package faults

import (
	"testing"

	"github.com/signum-mssp/signum/internal/testkit"
)

// TestFullDisk: the disk of the database is full, and has space again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk, err := testkit.NewSmallDisk(16)
	if err != nil {
		testkit.Missing(t, "a disk of its own: %v; run as root", err)
	}
	t.Cleanup(func() {
		if err := disk.Remove(); err != nil {
			t.Error(err)
		}
	})
	w := newWorld(t, "sqlite:"+disk.Path("signum.db"), storeUsers)
	ends := func(f func() error) func() {
		return func() {
			if err := f(); err != nil {
				w.t.Error(err)
			}
		}
	}
	w.bear(storeFault{ends(disk.Fill), ends(disk.Free)})
}
