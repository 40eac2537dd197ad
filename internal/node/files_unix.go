//go:build unix

package node

import (
	"math"
	"syscall"
)

// openFiles returns how many files the process may have open. Go has raised the soft
// limit to the hard one when the process started.
func openFiles() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int(min(uint64(limit.Cur), math.MaxInt32))
}
