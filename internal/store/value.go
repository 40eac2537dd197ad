package store

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// maxKey limits a text in an index, in bytes: PostgreSQL allows about 2,700 bytes
// for all columns of an entry together.
const maxKey = 1024

// storable reports whether both engines can hold the text. PostgreSQL refuses
// NUL and invalid UTF-8.
func storable(s string) bool {
	return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0
}

// isKey reports whether the text can be a key.
func isKey(s string) bool { return len(s) <= maxKey && storable(s) }

// field is a text on its way into the database.
type field struct{ name, value string }

// checkKeys returns an error that names the first field that cannot be a key.
func checkKeys(fields ...field) error {
	for _, f := range fields {
		if len(f.value) > maxKey {
			return fmt.Errorf("store: %s has %d bytes, at most %d can be kept", f.name, len(f.value), maxKey)
		}
	}
	return checkTexts(fields...)
}

// checkTexts returns an error that names the first field that cannot be kept.
func checkTexts(fields ...field) error {
	for _, f := range fields {
		if !storable(f.value) {
			return fmt.Errorf("store: %s holds a NUL byte or is not UTF-8", f.name)
		}
	}
	return nil
}

// checkHash refuses a hash that does not have the length of a SHA-256.
func checkHash(what string, hash []byte) error {
	if len(hash) != sha256.Size {
		return fmt.Errorf("store: %s has %d bytes, not the %d of SHA-256", what, len(hash), sha256.Size)
	}
	return nil
}

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
