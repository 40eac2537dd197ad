package store

import (
	"context"
	"fmt"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storable"
)

var takeCounter = &query{
	text: `
UPDATE sim_cards SET counter = max(counter + 1, $2) WHERE iccid = $1 AND state = 'ACTIVE' AND max(counter + 1, $2) <= 1099511627775
RETURNING counter`,
	postgres: `
UPDATE sim_cards SET counter = GREATEST(counter + 1, $2) WHERE iccid = $1 AND state = 'ACTIVE' AND GREATEST(counter + 1, $2) <= 1099511627775
RETURNING counter`,
}

// TakeCounter implements mssp.Store. As with TryPasscode, the statement is not
// pipelined: each caller needs the value that its own statement returned.
func (s *Store) TakeCounter(ctx context.Context, iccid string, least uint64) (uint64, error) {
	if !storable.IsKey(iccid) {
		return 0, mssp.ErrNotFound
	}
	if least > mssp.MaxCardCounter {
		return 0, fmt.Errorf("store: card %s, counter %d: %w", iccid, least, mssp.ErrCounter)
	}
	var counter int64
	err := s.write(ctx, &write{row: iccid, then: func(ctx context.Context, s *session, _ int64) error {
		if taken, err := s.row(ctx, takeCounter, []any{iccid, int64(least)}, &counter); err != nil || taken {
			return err
		}
		var state string
		switch found, err := s.row(ctx, selectCardState, []any{iccid}, &state); {
		case err != nil:
			return err
		case !found:
			return refuse(mssp.ErrNotFound)
		case state != string(mssp.CardActive):
			return refuse(fmt.Errorf("store: card %s is %s: %w", iccid, state, mssp.ErrCardState))
		}
		return refuse(fmt.Errorf("store: card %s: %w", iccid, mssp.ErrCounter))
	}})
	if err != nil {
		return 0, err
	}
	return uint64(counter), nil
}

var (
	// The row is locked, so nobody else accepts a reply between the read and the
	// update.
	selectReplies = &query{
		text:     `SELECT reply_counter, reply_seen FROM sim_cards WHERE iccid = $1`,
		postgres: `SELECT reply_counter, reply_seen FROM sim_cards WHERE iccid = $1 FOR UPDATE`,
	}
	updateReplies = &query{text: `
UPDATE sim_cards SET reply_counter = $2, reply_seen = $3 WHERE iccid = $1`}
)

// AcceptReply implements mssp.Store.
func (s *Store) AcceptReply(ctx context.Context, iccid string, counter uint64) (bool, error) {
	if !storable.IsKey(iccid) {
		return false, mssp.ErrNotFound
	}
	var accepted bool
	err := s.write(ctx, &write{row: iccid, then: func(ctx context.Context, s *session, _ int64) error {
		accepted = false // it may be run again
		var highest, seen int64
		found, err := s.row(ctx, selectReplies, []any{iccid}, &highest, &seen)
		if err != nil {
			return err
		}
		if !found {
			return refuse(mssp.ErrNotFound)
		}
		w, ok := storable.ReplyWindow{Highest: uint64(highest), Seen: uint64(seen)}.Accept(counter)
		if !ok {
			return nil
		}
		_, err = s.exec(ctx, updateReplies, iccid, int64(w.Highest), int64(w.Seen))
		accepted = err == nil
		return err
	}})
	return err == nil && accepted, err
}
