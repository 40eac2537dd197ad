//go:build !linux

package durable

func syncAll(_ string, paths []string) error { return syncEach(paths) }
