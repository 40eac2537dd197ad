package store

import (
	"context"
	"errors"
	"sync"

	"github.com/signum-mssp/signum"
)

// Store is a signum.Store on SQLite or PostgreSQL. Open makes one.
//
// Beyond the errors of the port, a write returns ErrClosed after Close, an
// error that names the field when a text cannot be kept, and the database's
// error when the write was not committed.
type Store struct {
	engine  engine
	read    *reader
	queue   *queue
	writers sync.WaitGroup
	parties parties
	closeDB func() error // the writers' pool, when it is another one

	closing  sync.Once
	closeErr error
}

var _ signum.Store = (*Store)(nil)

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
