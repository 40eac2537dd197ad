package main

import (
	"os"
	"runtime/debug"
)

// Memory settings of a server, unless the environment (GOGC, GOMEMLIMIT) sets them. A
// few more megabytes let the garbage collector run less often.
const (
	gcPercent   = 400
	memoryLimit = 2 << 30 // bytes; the collector works harder near it
)

func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}
