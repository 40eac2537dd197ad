package store

import (
	"context"
	"fmt"
	"time"
)

// limits bound operations that could take forever: the network, a disk or another
// node's lock may hang.
type limits struct {
	connect time.Duration // a new connection
	read    time.Duration // a query, the wait for a connection included
	write   time.Duration // a transaction of writes
	wait    time.Duration // a caller, for its write to be on disk; on SQLite, too
}

var defaultLimits = limits{connect: 10 * time.Second, read: 10 * time.Second, write: 15 * time.Second, wait: 15 * time.Second}

// A TimeoutError says which time limit of the store was exceeded.
type TimeoutError struct {
	Limit string // "query", "transaction" or "write"
	After time.Duration
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("%s timeout of the store: not done after %v", e.Limit, e.After)
}

// Is makes it a context.DeadlineExceeded.
func (e *TimeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// Timeout is true, as for other errors of timeouts.
func (e *TimeoutError) Timeout() bool { return true }

// limited returns the context with one of the limits.
func limited(ctx context.Context, limit string, after time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, after, &TimeoutError{Limit: limit, After: after})
}

// explain adds to an error which limit was exceeded, if one was.
func explain(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w (%w)", err, context.Cause(ctx))
	}
	return err
}
