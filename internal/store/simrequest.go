package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storable"
)

var (
	_ mssp.SIMRequestStore = (*Store)(nil)
	_ mssp.PartStore       = (*Store)(nil)
)

var (
	putSIMRequest = &query{text: `
INSERT INTO sim_outbox AS o (trans_id, device_id, msisdn, op, step, state, expires) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (trans_id) DO UPDATE SET device_id = excluded.device_id, msisdn = excluded.msisdn, op = excluded.op,
    step = excluded.step, state = excluded.state, expires = excluded.expires
WHERE o.op <> excluded.op OR o.step < excluded.step OR o.step = excluded.step AND NOT $8`}
	selectSIMRequest = &query{text: `
SELECT trans_id, device_id, msisdn, op, step, state, expires FROM sim_outbox WHERE trans_id = $1`}
	deleteSIMRequest = &query{text: `DELETE FROM sim_outbox WHERE trans_id = $1`}
	purgeSIMRequests = oldest(`sim_outbox`, `trans_id`, `expires`, `true`)

	putPart = &query{postgres: `
INSERT INTO sms_parts (msisdn, ref, total, seq, body, arrived)
SELECT $1, $2, $3, $4, $5, ` + inMicros + ` WHERE (
    SELECT count(*) FROM sms_parts WHERE msisdn = $1 AND NOT (ref = $2 AND total = $3 AND seq = $4)) < $6
ON CONFLICT (msisdn, ref, total, seq) DO UPDATE SET body = excluded.body, arrived = excluded.arrived`}
	selectParts = &query{postgres: `
SELECT seq, body FROM sms_parts
WHERE msisdn = $1 AND ref = $2 AND total = $3 AND seq <> $4 AND arrived >= ` + inMicros + ` - CAST($5 AS bigint) ORDER BY seq`}
	dropOldestParts = &query{postgres: `
DELETE FROM sms_parts WHERE (msisdn, ref, total) IN (
    SELECT msisdn, ref, total FROM sms_parts WHERE msisdn = $1 ORDER BY arrived LIMIT 1)`}
	deleteParts = &query{postgres: `DELETE FROM sms_parts WHERE msisdn = $1 AND ref = $2 AND total = $3`}
	// A part has no other name than its place.
	purgeParts = &query{postgres: `
WITH due AS MATERIALIZED (
    SELECT ctid AS place FROM sms_parts WHERE arrived < $1 ORDER BY arrived LIMIT $2 FOR UPDATE SKIP LOCKED)
DELETE FROM sms_parts WHERE ctid IN (SELECT place FROM due)`}
)

// PutSIMRequest implements mssp.SIMRequestStore.
func (s *Store) PutSIMRequest(ctx context.Context, r *mssp.SIMRequest) error {
	if err := storable.Keys(storable.F("MSSP_TransID", r.TransID), storable.F("device ID", r.DeviceID), storable.F("MSISDN", r.MSISDN)); err != nil {
		return err
	}
	if err := storable.Texts(storable.F("state", string(r.State))); err != nil {
		return err
	}
	return s.write(ctx, &write{row: r.TransID, first: putSIMRequest,
		args: []any{r.TransID, r.DeviceID, r.MSISDN, int64(r.Op), int64(r.Step), string(r.State), micros(r.Expires), r.Unknown}})
}

// SIMRequest implements mssp.SIMRequestStore.
func (s *Store) SIMRequest(ctx context.Context, transID string) (*mssp.SIMRequest, error) {
	if !storable.IsKey(transID) {
		return nil, mssp.ErrNotFound
	}
	r := new(mssp.SIMRequest)
	var op, step, expires int64
	err := s.read.row(ctx, selectSIMRequest, []any{transID}, &r.TransID, &r.DeviceID, &r.MSISDN, &op, &step, &r.State, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, mssp.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("store: SIM request: %w", err)
	}
	r.Op, r.Step, r.Expires = mssp.DeviceOp(op), int(step), timeOf(expires)
	return r, nil
}

// DeleteSIMRequest implements mssp.SIMRequestStore.
func (s *Store) DeleteSIMRequest(ctx context.Context, transID string) error {
	if !storable.IsKey(transID) {
		return nil
	}
	return s.write(ctx, &write{row: transID, first: deleteSIMRequest, args: []any{transID}})
}

// PurgeSIMRequests deletes at most limit requests to SIM cards that expired before the time,
// and returns how many it deleted.
func (s *Store) PurgeSIMRequests(ctx context.Context, before time.Time, limit int) (int, error) {
	return s.purgeRows(ctx, before, limit, purgeSIMRequests)
}

// PutPart implements mssp.PartStore. On SQLite, which has one node, it keeps nothing.
func (s *Store) PutPart(ctx context.Context, p *mssp.MessagePart, most int) error {
	if s.engine != postgres {
		return nil
	}
	if err := storable.Keys(storable.F("MSISDN", p.MSISDN)); err != nil {
		return err
	}
	args := append(partKey(p), int64(p.Seq), p.Body, int64(most))
	return s.write(ctx, &write{row: p.MSISDN, first: putPart, args: args, then: func(ctx context.Context, s *session, affected int64) (err error) {
		for n := 0; affected == 0 && n < most; n++ { // there are at most so many messages
			if _, err = s.exec(ctx, dropOldestParts, p.MSISDN); err == nil {
				affected, err = s.exec(ctx, putPart, args...)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}})
}

func partKey(p *mssp.MessagePart) []any { return []any{p.MSISDN, int64(p.Ref), int64(p.Total)} }

// OtherParts implements mssp.PartStore.
func (s *Store) OtherParts(ctx context.Context, p *mssp.MessagePart, age time.Duration) (list []mssp.MessagePart, err error) {
	if s.engine != postgres || !storable.IsKey(p.MSISDN) {
		return nil, nil
	}
	err = s.read.each(ctx, selectParts, append(partKey(p), int64(p.Seq), age.Microseconds()), func(rows *sql.Rows) error {
		other := mssp.MessagePart{MSISDN: p.MSISDN, Ref: p.Ref, Total: p.Total}
		err := rows.Scan(&other.Seq, &other.Body)
		list = append(list, other)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: parts of a message: %w", err)
	}
	return list, nil
}

// DeleteParts implements mssp.PartStore.
func (s *Store) DeleteParts(ctx context.Context, p *mssp.MessagePart) error {
	if s.engine != postgres || !storable.IsKey(p.MSISDN) {
		return nil
	}
	return s.write(ctx, &write{row: p.MSISDN, first: deleteParts, args: partKey(p)})
}

// PurgeParts deletes at most limit parts of messages that arrived before the time, and returns
// how many it deleted.
func (s *Store) PurgeParts(ctx context.Context, before time.Time, limit int) (int, error) {
	if s.engine != postgres {
		return 0, nil
	}
	return s.purgeRows(ctx, before, limit, purgeParts)
}
