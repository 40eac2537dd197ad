package store

import (
	"time"
)

// micros returns a time as the database stores it: microseconds since the epoch,
// rounded down.
func micros(t time.Time) int64 { return t.UnixMicro() }

// timeOf is the inverse of micros.
func timeOf(us int64) time.Time { return time.UnixMicro(us).UTC() }

// bytesOrNull returns nil for an empty slice, so that both engines return the same.
func textOrNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func bytesOrNull(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}
