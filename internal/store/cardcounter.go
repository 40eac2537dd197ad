package store

import (
	"context"
	"fmt"

	"github.com/signum-mssp/signum/internal/mssp"
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
	if !isKey(iccid) {
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
	if !isKey(iccid) {
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
		w, ok := replyWindow{uint64(highest), uint64(seen)}.accept(counter)
		if !ok {
			return nil
		}
		_, err = s.exec(ctx, updateReplies, iccid, int64(w.highest), int64(w.seen))
		accepted = err == nil
		return err
	}})
	return err == nil && accepted, err
}

// replyWindow records which counters a card has used in replies: the highest, and
// in bit i of seen the counter that is i+1 below it.
type replyWindow struct{ highest, seen uint64 }

// accept returns the window with the counter added. It returns false if the
// counter was seen before or is below the window.
func (w replyWindow) accept(counter uint64) (replyWindow, bool) {
	switch {
	case counter > mssp.MaxCardCounter || counter == w.highest:
		return w, false
	case counter > w.highest:
		// A shift by more than the size of the window clears it.
		up := counter - w.highest
		seen := w.seen << up
		if w.highest > 0 && up <= mssp.ReplyWindow {
			seen |= 1 << (up - 1)
		}
		return replyWindow{counter, seen}, true
	}
	bit := w.highest - counter - 1
	if counter == 0 || bit >= mssp.ReplyWindow || w.seen&(1<<bit) != 0 {
		return w, false
	}
	return replyWindow{w.highest, w.seen | 1<<bit}, true
}
