//go:build !nolab

package main

import (
	"os"
	"runtime/debug"
)

// crowdedPercent is the setting of a sandbox with many worlds, which take memory and are idle
// most of the time.
const crowdedPercent = 50

func saveMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(crowdedPercent)
	}
}
