package mssp

import (
	"context"
	"time"
)

// SharedValues keeps small values that expire, for all nodes on a database. A kind says what
// the values are; the two together name one. What has expired is as if it were not there,
// by the clock of the database where there is one.
type SharedValues interface {
	// Once reports whether it is the first call for this name until it expires: of several
	// callers, one is first.
	Once(ctx context.Context, kind, key string, until time.Time) (first bool, err error)
	// KeepValue returns the value of a name, after it has added this one if there was none: all
	// callers get the same.
	KeepValue(ctx context.Context, kind, key string, value []byte, until time.Time) (kept []byte, err error)
	// PutValue adds a value, or replaces one.
	PutValue(ctx context.Context, kind, key string, value []byte, until time.Time) error
	// Value finds a value; ErrNotFound.
	Value(ctx context.Context, kind, key string) ([]byte, error)
	// TakeValue deletes a value and returns it: of several callers, one gets it. ErrNotFound.
	TakeValue(ctx context.Context, kind, key string) ([]byte, error)
}
