//go:build !linux

package ca

// readOnly is false: only on Linux are there platforms that mount secrets so.
func readOnly(string) bool { return false }
