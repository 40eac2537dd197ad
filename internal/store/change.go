package store

import (
	"context"
	"fmt"
	"runtime/debug"
)

// caller runs a function that was passed in by a caller of the store.
type caller func(func() error) error

// change queues a write that reads a row, lets the caller change it, and writes
// it back. The three happen in one transaction with the row locked, so that no
// other write of that row, on whichever node, comes between.
//
// The caller's function runs in a writer, which others depend on. A panic in it
// is therefore carried over to the caller, with its stack.
func (s *Store) change(ctx context.Context, row string, update func(context.Context, *session, caller) error) error {
	var panicked any
	call := func(f func() error) (err error) {
		panicked = nil // it may be run again
		defer func() {
			if p := recover(); p != nil {
				panicked = fmt.Sprintf("%v\n\nin the function of an update:\n%s", p, debug.Stack())
				err = refuse(fmt.Errorf("store: panic in the function of an update: %v", p))
			}
		}()
		return f()
	}
	err := s.write(ctx, &write{row: row, then: func(ctx context.Context, s *session, _ int64) error {
		return update(ctx, s, call)
	}})
	if panicked != nil {
		panic(panicked)
	}
	return err
}
