package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storable"
)

var (
	insertVerification = &query{text: `
INSERT INTO verifications (trans_id, ap_instant, evidence) SELECT id, ap_instant, $2 FROM transactions WHERE id = $1`}
	selectVerification = &query{text: `
SELECT evidence FROM verifications WHERE trans_id = $1`}
)

// withEvidence adds to a statement of ending the insert of the evidence, which is its
// last argument. SQLite needs a second statement for that, which costs
// no round trip there.
func withEvidence(q *query, argument string) *query {
	return &query{text: q.text, postgres: strings.Replace(q.postgres, `
UPDATE transactions`, `, ended AS (UPDATE transactions`, 1) + `)
INSERT INTO verifications (trans_id, ap_instant, evidence) SELECT id, ap_instant, ` + argument + `::text FROM ended`}
}

// endVerified ends a transaction with a query of withEvidence.
func (s *Store) endVerified(ctx context.Context, q *query, v *mssp.UserVerification, args []any) (bool, error) {
	evidence, err := encodeVerification(v)
	if err != nil {
		return false, err
	}
	ended := false
	w := &write{first: q, args: args, then: func(ctx context.Context, s *session, affected int64) error {
		ended = affected == 1
		if !ended || s.engine == postgres {
			return nil
		}
		_, err := s.exec(ctx, insertVerification, args[0], evidence)
		return err
	}}
	if s.read.engine == postgres {
		w.args = append(args, evidence)
	}
	err = s.write(ctx, w)
	return err == nil && ended, err
}

// Verification implements mssp.Store.
func (s *Store) Verification(ctx context.Context, transID string) (*mssp.UserVerification, error) {
	if !storable.IsKey(transID) {
		return nil, mssp.ErrNotFound
	}
	var evidence string
	err := s.read.row(ctx, selectVerification, []any{transID}, &evidence)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, mssp.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("store: verification of %s: %w", transID, err)
	}
	v := new(mssp.UserVerification)
	if err := decodeJSON("verification of "+transID, evidence, v); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return v, nil
}
