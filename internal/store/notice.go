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

const noticeColumns = `id, msisdn, kind, device_id, name, by_code, code_hash, created, expires`

var (
	insertNotice = &query{text: `
INSERT INTO notices (` + noticeColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT DO NOTHING`}
	// Nodes skip rows that another node is deleting, as with transactions.
	purgeNotices = &query{
		text: `
DELETE FROM notices WHERE (msisdn, id) IN (SELECT msisdn, id FROM notices WHERE expires <= $1 ORDER BY expires LIMIT $2)`,
		postgres: `
DELETE FROM notices WHERE (msisdn, id) IN (
    SELECT msisdn, id FROM notices WHERE expires <= $1 ORDER BY expires LIMIT $2 FOR UPDATE SKIP LOCKED)`,
	}
	selectNotices = &query{text: `
SELECT ` + noticeColumns + ` FROM notices WHERE msisdn = $1 AND expires > $2 ORDER BY created, id`}
	selectNoticeByCode = &query{text: `
SELECT ` + noticeColumns + ` FROM notices WHERE code_hash = $1 AND expires > $2`}
	takeNotice = &query{text: `
DELETE FROM notices WHERE msisdn = $1 AND id = $2 AND expires > $3 RETURNING ` + noticeColumns}
)

// PutNotice implements mssp.Store. It also deletes up to 100 notices that had expired
// when this one was made, so that no sweep is needed.
func (s *Store) PutNotice(ctx context.Context, n *mssp.Notice) error {
	if err := storable.Notice(n); err != nil {
		return err
	}
	return s.write(ctx, &write{
		first: insertNotice,
		args:  []any{n.ID, n.MSISDN, string(n.Kind), n.DeviceID, n.Name, n.ByCode, n.CodeHash, micros(n.Created), micros(n.Expires)},
		then: func(ctx context.Context, s *session, changed int64) error {
			if changed == 0 {
				return refuse(fmt.Errorf("store: notice: %w", mssp.ErrExists))
			}
			_, err := s.exec(ctx, purgeNotices, micros(n.Created), int64(purgeBeside))
			return err
		},
	})
}

// noticeRow is where a notice is read into.
type noticeRow struct {
	n                mssp.Notice
	created, expires int64
}

func (r *noticeRow) dest() []any {
	n := &r.n
	return []any{&n.ID, &n.MSISDN, &n.Kind, &n.DeviceID, &n.Name, &n.ByCode, &n.CodeHash, &r.created, &r.expires}
}

func (r *noticeRow) notice() *mssp.Notice {
	n := r.n
	n.Created, n.Expires = timeOf(r.created), timeOf(r.expires)
	return &n
}

// Notices implements mssp.Store.
func (s *Store) Notices(ctx context.Context, msisdn string, now time.Time) ([]*mssp.Notice, error) {
	if !storable.IsKey(msisdn) {
		return nil, nil
	}
	var list []*mssp.Notice
	err := s.read.each(ctx, selectNotices, []any{msisdn, micros(now)}, func(rows *sql.Rows) error {
		var r noticeRow
		if err := rows.Scan(r.dest()...); err != nil {
			return err
		}
		list = append(list, r.notice())
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("store: notices: %w", err)
	}
	return list, nil
}

// NoticeByCode implements mssp.Store.
func (s *Store) NoticeByCode(ctx context.Context, codeHash []byte, now time.Time) (*mssp.Notice, error) {
	var r noticeRow
	err := s.read.row(ctx, selectNoticeByCode, []any{codeHash, micros(now)}, r.dest()...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, mssp.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("store: notice: %w", err)
	}
	return r.notice(), nil
}

// TakeNotice implements mssp.Store.
func (s *Store) TakeNotice(ctx context.Context, msisdn, id string, now time.Time) (*mssp.Notice, error) {
	if !storable.IsKey(msisdn) || !storable.IsKey(id) {
		return nil, mssp.ErrNotFound
	}
	var r noticeRow
	err := s.write(ctx, &write{row: msisdn, then: func(ctx context.Context, s *session, _ int64) error {
		found, err := s.row(ctx, takeNotice, []any{msisdn, id, micros(now)}, r.dest()...)
		if err == nil && !found {
			err = refuse(mssp.ErrNotFound)
		}
		return err
	}})
	if err != nil {
		return nil, err
	}
	return r.notice(), nil
}
