package store

import (
	"context"
	"time"
)

// purgeBeside is how many rows go when another one of their kind is written.
const purgeBeside = 100

// Nodes that purge at the same time take different rows, as with transactions.
var (
	purgeCertificates = oldest(`certificates`, `serial`, `not_after`,
		`NOT EXISTS (SELECT 1 FROM devices d WHERE d.cert_serial = o.serial)`)
	// A SIM stays for as long as its card is in it, because it can be activated again.
	purgeDevices = oldest(`devices`, `id`, `ended_at`,
		`state = 'INACTIVE' AND NOT EXISTS (SELECT 1 FROM sim_cards s WHERE s.device_id = o.id)`)
)

// oldest deletes at most $2 rows of a table whose end was before $1.
func oldest(table, key, end, condition string) *query {
	due := `
    SELECT ` + key + ` FROM ` + table + ` o WHERE ` + end + ` < $1 AND ` + condition + ` ORDER BY ` + end + ` LIMIT $2`
	return &query{
		text: `
DELETE FROM ` + table + ` WHERE ` + key + ` IN (` + due + `)`,
		postgres: `
WITH due AS MATERIALIZED (` + due + ` FOR UPDATE SKIP LOCKED)
DELETE FROM ` + table + ` WHERE ` + key + ` IN (SELECT ` + key + ` FROM due)`,
	}
}

// PurgeCertificates deletes at most limit certificates whose own end was before the time,
// revoked ones and those that were never issued included, and returns how many it deleted.
// The certificate of a device stays. Whatever was signed with one that is gone cannot be
// verified any more by the database alone.
func (s *Store) PurgeCertificates(ctx context.Context, before time.Time, limit int) (int, error) {
	return s.purgeRows(ctx, before, limit, purgeCertificates)
}

// PurgeDevices deletes at most limit devices that ended before the time, and returns how
// many it deleted. Their certificates stay.
func (s *Store) PurgeDevices(ctx context.Context, before time.Time, limit int) (int, error) {
	return s.purgeRows(ctx, before, limit, purgeDevices)
}

// PurgeInvites deletes at most limit invites that expired before the time, and returns how
// many it deleted.
func (s *Store) PurgeInvites(ctx context.Context, before time.Time, limit int) (int, error) {
	return s.purgeRows(ctx, before, limit, purgeInvites)
}

// PurgeConsents does the same with consents.
func (s *Store) PurgeConsents(ctx context.Context, before time.Time, limit int) (int, error) {
	return s.purgeRows(ctx, before, limit, purgeConsents)
}

// PurgeNotices does the same with notices.
func (s *Store) PurgeNotices(ctx context.Context, before time.Time, limit int) (int, error) {
	return s.purgeRows(ctx, before, limit, purgeNotices)
}

func (s *Store) purgeRows(ctx context.Context, before time.Time, limit int, q *query) (int, error) {
	var n int64 // the writer's, until there is an answer
	err := s.write(ctx, &write{first: q, args: []any{micros(before), int64(max(limit, 0))}, then: func(_ context.Context, _ *session, affected int64) error {
		n = affected
		return nil
	}})
	if err != nil {
		return 0, err
	}
	return int(n), nil
}
