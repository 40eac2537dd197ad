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

const (
	// maxQuiet is for how long a connection may be quiet until it is tried: a server that hangs
	// keeps its connections.
	maxQuiet = 5 * time.Second
	// proofLimit is how long a notice of a node to itself may take.
	proofLimit = 5 * time.Second
)

// proveListening waits for a notice that this node sends itself.
func (n *Nodes) proveListening(ctx context.Context, conn *pgx.Conn, heard func(notice string)) error {
	proof := rand.Text()
	if err := n.Notify(ctx, []string{proof}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, proofLimit, errors.New("a notice to itself does not arrive; another database, a pooler, or a server that hangs"))
	defer cancel()
	for {
		switch notice, err := conn.WaitForNotification(ctx); {
		case err != nil:
			return cmp.Or(context.Cause(ctx), err)
		case notice.Payload == proof:
			return nil
		default:
			heard(notice.Payload)
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
	// What is heard before that does not count: listening begins with ready.
	if err := n.proveListening(ctx, conn, func(string) {}); err != nil {
		return fmt.Errorf("store: listening: %w", err)
	}
	ready()
	for {
		err := hearUntilQuiet(ctx, conn, heard)
		if err == nil {
			err = n.proveListening(ctx, conn, heard)
		}
		if err != nil {
			return fmt.Errorf("store: listening: %w", errors.Join(ctx.Err(), err))
		}
	}
}

// hearUntilQuiet returns nil when nothing was heard for a while.
func hearUntilQuiet(ctx context.Context, conn *pgx.Conn, heard func(notice string)) error {
	for {
		quiet, cancel := context.WithTimeout(ctx, maxQuiet)
		notice, err := conn.WaitForNotification(quiet)
		cancel()
		switch {
		case err == nil:
			heard(notice.Payload)
		case ctx.Err() == nil && quiet.Err() != nil:
			return nil
		default:
			return err
		}
	}
}
