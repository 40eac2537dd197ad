//go:build !linux

package store

import (
	"syscall"
	"time"
)

// userTimeout does nothing: only Linux has the option.
func userTimeout(time.Duration) func(network, address string, c syscall.RawConn) error { return nil }
