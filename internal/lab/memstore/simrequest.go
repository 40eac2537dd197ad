package memstore

import (
	"context"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storable"
)

// PutSIMRequest implements mssp.SIMRequestStore.
func (s *Store) PutSIMRequest(ctx context.Context, r *mssp.SIMRequest) error {
	if err := storable.Keys(storable.F("MSSP_TransID", r.TransID), storable.F("device ID", r.DeviceID), storable.F("MSISDN", r.MSISDN)); err != nil {
		return err
	}
	return s.write(ctx, func() error {
		old := s.requests[r.TransID]
		if old != nil && old.Op == r.Op && (old.Step > r.Step || old.Step == r.Step && r.Unknown) {
			return nil
		}
		kept := *r
		kept.State, kept.Expires, kept.Unknown = octets(r.State), precise(r.Expires), false
		set(&s.requests, r.TransID, &kept)
		return nil
	})
}

// SIMRequest implements mssp.SIMRequestStore.
func (s *Store) SIMRequest(ctx context.Context, transID string) (r *mssp.SIMRequest, err error) {
	err = s.read(ctx, func() error {
		kept := s.requests[transID]
		if kept == nil {
			return mssp.ErrNotFound
		}
		out := *kept
		out.State = octets(kept.State)
		r = &out
		return nil
	})
	return r, err
}

// DeleteSIMRequest implements mssp.SIMRequestStore.
func (s *Store) DeleteSIMRequest(ctx context.Context, transID string) error {
	return s.write(ctx, func() error { delete(s.requests, transID); return nil })
}
