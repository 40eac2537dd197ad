package store

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

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

// proofLimit is how long a notice of a node to itself may take.
const proofLimit = 5 * time.Second

// proveListening waits for a notice that this node sends itself. What is heard before that
// does not count: listening begins with ready.
func (n *Nodes) proveListening(ctx context.Context, conn *pgx.Conn) error {
	proof := rand.Text()
	if err := n.Notify(ctx, []string{proof}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, proofLimit, errors.New("a notice to itself does not arrive; is this another database, or a pooler?"))
	defer cancel()
	for {
		switch notice, err := conn.WaitForNotification(ctx); {
		case err != nil:
			return cmp.Or(context.Cause(ctx), err)
		case notice.Payload == proof:
			return nil
		}
	}
}

// Listen implements mssp.ClusterStore, on a connection of its own. Behind a pooler in
// transaction mode nothing can be heard; without WithListenURL it is never ready then.
func (n *Nodes) Listen(ctx context.Context, ready func(), heard func(notice string)) error {
	if n.pools.listen == nil {
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
	if err := n.proveListening(ctx, conn); err != nil {
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
