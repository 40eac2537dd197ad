package memstore

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storable"
)

func copyReceipt(r *mssp.Receipt) *mssp.Receipt {
	out := *r
	return &out
}

// InsertReceipt implements mssp.Store.
func (s *Store) InsertReceipt(ctx context.Context, r *mssp.Receipt) error {
	if !storable.IsKey(r.TransID) {
		return mssp.ErrNotFound
	}
	if err := storable.Receipt(r); err != nil {
		return err
	}
	return s.write(ctx, func() error {
		t := s.transactions[r.TransID]
		switch {
		case t == nil:
			return mssp.ErrNotFound
		case t.State == mssp.StateReceipted:
			return mssp.ErrReceipted
		case t.State != mssp.StateSigned:
			return mssp.ErrNotSigned
		}
		t.State = mssp.StateReceipted
		kept := *r
		kept.Created, kept.Expires = precise(r.Created), precise(r.Expires)
		set(&s.receipts, r.TransID, &kept)
		set(&s.pending, r.TransID, &kept)
		return nil
	})
}

// FinishReceipt implements mssp.Store.
func (s *Store) FinishReceipt(ctx context.Context, transID string, result signum.ReceiptResult, at time.Time) (done bool, err error) {
	if err := storable.Result(result); err != nil {
		return false, err
	}
	err = s.write(ctx, func() error {
		r := s.pending[transID]
		if r == nil {
			return nil
		}
		delete(s.pending, transID)
		r.Result, r.Finished, done = result, precise(at), true
		return nil
	})
	return done, err
}

// Receipt implements mssp.Store.
func (s *Store) Receipt(ctx context.Context, transID string) (r *mssp.Receipt, err error) {
	err = s.read(ctx, func() error {
		kept := s.receipts[transID]
		if kept == nil {
			return mssp.ErrNotFound
		}
		r = copyReceipt(kept)
		return nil
	})
	return r, err
}

// ExpiredReceipts implements mssp.Store.
func (s *Store) ExpiredReceipts(ctx context.Context, now time.Time, limit int) (ids []string, err error) {
	err = s.read(ctx, func() error {
		var due []*mssp.Receipt
		for _, r := range s.pending {
			if r.Expires.UnixMicro() <= now.UnixMicro() {
				due = append(due, r)
			}
		}
		slices.SortFunc(due, func(a, b *mssp.Receipt) int {
			return cmp.Or(a.Expires.Compare(b.Expires), strings.Compare(a.TransID, b.TransID))
		})
		for _, r := range first(due, limit) {
			ids = append(ids, r.TransID)
		}
		return nil
	})
	return ids, err
}
