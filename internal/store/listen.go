package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// noticeChannel is what nodes listen on. Each database has channels of its own.
const noticeChannel = "signum"

// Notify implements mssp.ClusterStore.
func (n *Nodes) Notify(ctx context.Context, notices []string) error {
	if err := n.exec(ctx, notify, noticeChannel, notices); err != nil {
		return fmt.Errorf("store: notices: %w", err)
	}
	return nil
}

// Listen implements mssp.ClusterStore, on a connection of its own. Behind a pooler in
// transaction mode nothing can be heard, so it is never ready.
func (n *Nodes) Listen(ctx context.Context, ready func(), heard func(notice string)) error {
	if n.pools.pooled {
		<-ctx.Done()
		return ctx.Err()
	}
	conn, err := pgx.ConnectConfig(ctx, n.pools.listen.Copy())
	if err != nil {
		return fmt.Errorf("store: listening: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "LISTEN "+noticeChannel); err != nil {
		return fmt.Errorf("store: listening: %w", err)
	}
	ready()
	for {
		notice, err := conn.WaitForNotification(ctx)
		if err != nil {
			return fmt.Errorf("store: listening: %w", errors.Join(ctx.Err(), err))
		}
		heard(notice.Payload)
	}
}
