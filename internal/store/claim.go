package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storable"
)

var _ mssp.OwnedTransactions = (*Store)(nil)

// A node that is fenced never becomes living again, and its row stays while something is
// outstanding that it owns. Of several nodes that claim at the same time, each gets other
// rows (SKIP LOCKED). A row that another node has claimed since the statement began is
// judged again by its new owner alone, so the list of owners must not be a join.
var claimTransactions = &query{postgres: `
WITH claimed AS (
    UPDATE outstanding SET owner = $1 WHERE id IN (
        SELECT o.id FROM outstanding o
        WHERE (o.owner = ANY (ARRAY(SELECT owner FROM outstanding WHERE owner <> '' EXCEPT SELECT id FROM nodes WHERE NOT fenced))
            OR o.owner = '' AND o.method <> '` + storable.TextMethod + `' AND EXISTS (
            SELECT 1 FROM transactions t WHERE t.id = o.id AND t.ap_instant = o.ap_instant AND t.created < ` + inMicros + ` - CAST($2 AS bigint)))
        AND EXISTS (SELECT 1 FROM nodes WHERE id = $1 AND NOT fenced)
        ORDER BY o.expires, o.id LIMIT $3 FOR UPDATE OF o SKIP LOCKED)
    RETURNING id)
SELECT id FROM claimed`}

// ClaimTransactions implements mssp.OwnedTransactions. On SQLite it claims nothing.
func (s *Store) ClaimTransactions(ctx context.Context, node string, orphan time.Duration, limit int) (list []*mssp.Transaction, n int, err error) {
	if s.engine != postgres || limit <= 0 {
		return nil, 0, nil
	}
	if err := storable.Keys(storable.F("node", node)); err != nil {
		return nil, 0, err
	}
	var ids []string
	err = s.write(ctx, &write{then: func(ctx context.Context, s *session, _ int64) error {
		ids = nil // a group that was rolled back runs again
		return s.each(ctx, claimTransactions, []any{node, orphan.Microseconds(), int64(limit)}, func(r *sql.Rows) error {
			var id string
			err := r.Scan(&id)
			ids = append(ids, id)
			return err
		})
	}})
	if err != nil {
		return nil, 0, fmt.Errorf("store: claiming transactions: %w", err)
	}
	for _, id := range ids {
		t, err := s.Transaction(ctx, id)
		if err != nil { // unreadable rows are reported
			continue
		}
		t.Owner = node
		list = append(list, t)
	}
	return list, len(ids), nil
}
