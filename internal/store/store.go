package store

import (
	"context"
	"errors"
	"sync"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storable"
)

// Store is a mssp.Store on SQLite or PostgreSQL. Open makes one.
//
// Besides the errors of the port, a write returns ErrClosed after Close, an error
// that names the field if a text cannot be stored, and the database's error if the
// write was not committed. A time limit that was exceeded is a *TimeoutError.
type Store struct {
	engine  engine
	read    *reader
	queue   *queue
	writers sync.WaitGroup
	parties parties
	// unreadable reports rows that cannot be read.
	unreadable unreadable
	closeDB    func() error // the writers' pool, when it is another one
	done       *counters

	closing  sync.Once
	closeErr error
}

var _ mssp.Store = (*Store)(nil)

// Close commits the writes that wait and closes the database. Reads must have
// ended. A second call returns the result of the first.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.queue.close()
		s.writers.Wait()
		s.closeErr = errors.Join(s.read.close(), s.closeDB())
	})
	return s.closeErr
}

// write queues a change; see queue.do.
func (s *Store) write(ctx context.Context, w *write) error { return s.queue.do(ctx, w) }

// swap writes a compare-and-set of one row, and reports whether it changed it.
func (s *Store) swap(ctx context.Context, q *query, args ...any) (bool, error) {
	var changed bool
	err := s.write(ctx, &write{first: q, args: args, then: func(_ context.Context, _ *session, affected int64) error {
		changed = affected == 1
		return nil
	}})
	return err == nil && changed, err
}

// update changes the row with the given key, which is the first argument. It
// returns ErrNotFound if there is no such row.
func (s *Store) update(ctx context.Context, q *query, key string, args ...any) error {
	if !storable.IsKey(key) {
		return mssp.ErrNotFound
	}
	return s.write(ctx, &write{row: key, first: q, args: append([]any{key}, args...), then: func(_ context.Context, _ *session, affected int64) error {
		if affected == 0 {
			return refuse(mssp.ErrNotFound)
		}
		return nil
	}})
}
