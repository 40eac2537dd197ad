package storable

import (
	"crypto/sha256"
	"fmt"
	"strings"
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

// IsKey reports whether the text can be a key.
func IsKey(s string) bool { return len(s) <= maxKey && storable(s) }

// Field is a text on its way into the database.
type Field struct{ name, value string }

// F is a text with its name for errors.
func F(name, value string) Field { return Field{name, value} }

// Keys returns an error that names the first field that cannot be a key.
func Keys(fields ...Field) error {
	for _, f := range fields {
		if len(f.value) > maxKey {
			return fmt.Errorf("store: %s has %d bytes, at most %d can be kept", f.name, len(f.value), maxKey)
		}
	}
	return Texts(fields...)
}

// Texts returns an error that names the first field that cannot be kept.
func Texts(fields ...Field) error {
	for _, f := range fields {
		if !storable(f.value) {
			return fmt.Errorf("store: %s holds a NUL byte or is not UTF-8", f.name)
		}
	}
	return nil
}

// Hash refuses a hash that does not have the length of a SHA-256.
func Hash(what string, hash []byte) error {
	if len(hash) != sha256.Size {
		return fmt.Errorf("store: %s has %d bytes, not the %d of SHA-256", what, len(hash), sha256.Size)
	}
	return nil
}
