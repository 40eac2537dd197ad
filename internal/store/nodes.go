package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storable"
)

var _ mssp.ClusterStore = (*Nodes)(nil)

// Nodes is what several nodes on one PostgreSQL know of each other. It has connections
// of its own, so that a node that has much to write is not taken for dead.
type Nodes struct{ pools *pools }

// Nodes returns nil for SQLite, which has one node.
func (s *Store) Nodes() *Nodes {
	if s.engine != postgres {
		return nil
	}
	return &Nodes{s.read.pools}
}

// inMicros is the time of the database's clock, which a transaction does not hold still.
const inMicros = `CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)`

// keepFenced is for how long a fenced node is remembered, for people who look.
const keepFenced = time.Hour

const (
	// A slot is free if no living node has it. Two nodes that join at the same time may
	// choose the same one; the index refuses the second.
	insertNode = `
INSERT INTO nodes (id, name, address, version, slot, started, beat)
SELECT $1, $2, $3, $4, (
    SELECT min(free) FROM generate_series(0, CAST($5 AS bigint) - 1) AS free
    WHERE NOT EXISTS (SELECT 1 FROM nodes WHERE slot = free AND NOT fenced)), ` + inMicros + `, ` + inMicros + `
RETURNING slot`
	fencePlace = `UPDATE nodes SET fenced = true WHERE name = $1 AND NOT fenced`
	// The beat never goes back, whatever the clock does.
	beatNode   = `UPDATE nodes SET beat = GREATEST(beat, ` + inMicros + `) WHERE id = $1 AND NOT fenced RETURNING ` + inMicros
	otherNodes = `SELECT id, name, address, version, slot, started, beat FROM nodes WHERE NOT fenced AND id <> $1 ORDER BY id`
	fenceNodes = `
UPDATE nodes SET fenced = true
WHERE NOT fenced AND id <> $1 AND beat < ` + inMicros + ` - CAST($2 AS bigint)
AND EXISTS (SELECT 1 FROM nodes WHERE id = $1 AND NOT fenced)`
	forgetNodes = `
DELETE FROM nodes n WHERE fenced AND beat < ` + inMicros + ` - CAST($1 AS bigint)
AND NOT EXISTS (SELECT 1 FROM outstanding WHERE owner = n.id)`
	leaveNode = `UPDATE nodes SET fenced = true WHERE id = $1`
	takeLease = `
INSERT INTO leases AS l (name, owner, epoch, expires) VALUES ($1, $2, 1, ` + inMicros + ` + CAST($3 AS bigint))
ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, expires = excluded.expires,
    epoch = l.epoch + CASE WHEN l.owner = excluded.owner THEN 0 ELSE 1 END
WHERE l.owner = excluded.owner OR l.expires < ` + inMicros + `
RETURNING epoch`
	// Numbers are in the same table, under names of their own.
	nextNumber = `
INSERT INTO leases AS l (name, owner, epoch, expires) VALUES ('number ' || $1, '', $2, 0)
ON CONFLICT (name) DO UPDATE SET epoch = GREATEST(l.epoch + 1, excluded.epoch) RETURNING epoch`
	notify = `SELECT pg_notify($1, notice) FROM unnest(CAST($2 AS text[])) AS notice`
)

// Join implements mssp.ClusterStore.
func (n *Nodes) Join(ctx context.Context, node mssp.ClusterNode, takeOver bool) (slot int, err error) {
	if err := storable.Keys(storable.F("node", node.ID)); err != nil {
		return 0, err
	}
	if err := storable.Texts(storable.F("name", node.Name), storable.F("address", node.Address), storable.F("version", node.Version)); err != nil {
		return 0, err
	}
	if takeOver {
		if err := n.exec(ctx, fencePlace, node.Name); err != nil {
			return 0, fmt.Errorf("store: node: %w", err)
		}
	}
	for range mssp.MaxNodes {
		var free sql.NullInt64
		err = n.row(ctx, insertNode, []any{node.ID, node.Name, node.Address, node.Version, int64(mssp.MaxNodes)}, &free)
		switch refused, ok := errors.AsType[*pgconn.PgError](err); {
		case err == nil:
			return int(free.Int64), nil
		case !ok || refused.ConstraintName != "nodes_slot" && refused.ColumnName != "slot":
			return 0, fmt.Errorf("store: node: %w", err)
		case refused.ColumnName == "slot": // NULL: there is no free one
			return 0, mssp.ErrSlots
		}
	}
	return 0, fmt.Errorf("store: node: %w", err)
}

// Beat implements mssp.ClusterStore.
func (n *Nodes) Beat(ctx context.Context, id string) (b mssp.Beat, err error) {
	var now int64
	err = n.row(ctx, beatNode, []any{id}, &now)
	if errors.Is(err, sql.ErrNoRows) {
		return b, mssp.ErrFenced
	}
	if err != nil {
		return b, fmt.Errorf("store: beat: %w", err)
	}
	b.Now = timeOf(now)
	b.Others, err = n.others(ctx, id)
	return b, err
}

func (n *Nodes) others(ctx context.Context, id string) (list []mssp.ClusterNode, err error) {
	ctx, cancel := limited(ctx, "nodes", nodesLimit)
	defer cancel()
	rows, err := n.pools.control.QueryContext(ctx, otherNodes, id)
	err = scanAll(rows, err, func(r *sql.Rows) error {
		var o mssp.ClusterNode
		var started, beat int64
		err := r.Scan(&o.ID, &o.Name, &o.Address, &o.Version, &o.Slot, &started, &beat)
		o.Started, o.Beat = timeOf(started), timeOf(beat)
		list = append(list, o)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: nodes: %w", n.checked(ctx, err))
	}
	return list, nil
}

// Fence implements mssp.ClusterStore.
func (n *Nodes) Fence(ctx context.Context, id string, older time.Duration) (int, error) {
	fenced, err := n.affected(ctx, fenceNodes, id, older.Microseconds())
	if err == nil {
		err = n.exec(ctx, forgetNodes, keepFenced.Microseconds())
	}
	if err != nil {
		return 0, fmt.Errorf("store: fencing nodes: %w", err)
	}
	return fenced, nil
}

// Leave implements mssp.ClusterStore.
func (n *Nodes) Leave(ctx context.Context, id string) error {
	if err := n.exec(ctx, leaveNode, id); err != nil {
		return fmt.Errorf("store: leaving: %w", err)
	}
	return nil
}

// TakeLease implements mssp.ClusterStore.
func (n *Nodes) TakeLease(ctx context.Context, name, owner string, d time.Duration) (epoch int64, err error) {
	err = n.row(ctx, takeLease, []any{name, owner, d.Microseconds()}, &epoch)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("store: lease: %w", err)
	}
	return epoch, nil
}

// NextNumber implements mssp.ClusterStore.
func (n *Nodes) NextNumber(ctx context.Context, name string, least int64) (number int64, err error) {
	if err := n.row(ctx, nextNumber, []any{name, least}, &number); err != nil {
		return 0, fmt.Errorf("store: number: %w", err)
	}
	return number, nil
}

// nodesLimit is how long a statement may take. A node is dead to others after 10 s.
const nodesLimit = 5 * time.Second

func (n *Nodes) row(ctx context.Context, q string, args []any, dest ...any) error {
	ctx, cancel := limited(ctx, "nodes", nodesLimit)
	defer cancel()
	return n.checked(ctx, n.pools.control.QueryRowContext(ctx, q, args...).Scan(dest...))
}

// checked explains an error. After a time-out it drops the other connection, too.
func (n *Nodes) checked(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		dropIdle(n.pools.control)
	}
	return explain(ctx, err)
}

func (n *Nodes) affected(ctx context.Context, q string, args ...any) (int, error) {
	ctx, cancel := limited(ctx, "nodes", nodesLimit)
	defer cancel()
	res, err := n.pools.control.ExecContext(ctx, q, args...)
	if err != nil {
		return 0, n.checked(ctx, err)
	}
	changed, err := res.RowsAffected()
	return int(changed), err
}

func (n *Nodes) exec(ctx context.Context, q string, args ...any) error {
	_, err := n.affected(ctx, q, args...)
	return err
}
