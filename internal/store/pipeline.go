package store

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/signum-mssp/signum/internal/event"
)

// pipeline executes the first statements of the writes on PostgreSQL and notes
// what each affected. They are sent together and answered together: a group
// costs one round trip, not one for each write.
func (s *session) pipeline(ctx context.Context, group []*write) error {
	batch := new(pgx.Batch)
	for _, w := range group {
		if w.first != nil {
			batch.Queue(w.first.sql(postgres), w.args...).Exec(func(tag pgconn.CommandTag) error {
				w.affected = tag.RowsAffected()
				return nil
			})
		}
	}
	if batch.Len() == 0 {
		return nil
	}
	// A panic must not pass through Raw: it would close the connection and wait for
	// the transaction, which waits for it.
	return s.conn.Raw(func(driver any) (err error) {
		defer event.RescueTo(&err, s.log, "store write")
		return driver.(*stdlib.Conn).Conn().SendBatch(ctx, batch).Close()
	})
}
