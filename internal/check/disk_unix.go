//go:build unix

package check

import "golang.org/x/sys/unix"

// freeDisk is the share of the disk of a directory that is free, in percent.
func freeDisk(dir string) (percent uint64, known bool) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil || s.Blocks == 0 {
		return 0, false
	}
	return uint64(s.Bavail) * 100 / uint64(s.Blocks), true
}
