package memstore

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storable"
)

// copyParty returns a party as it is kept.
func copyParty(p *mssp.Party) (*mssp.Party, error) {
	if err := storable.Party(p); err != nil {
		return nil, err
	}
	out := *p
	out.Pins = nil
	out.Pins = append(out.Pins, p.Pins...)
	out.Profiles, out.Services = texts(p.Profiles), texts(p.Services)
	fence, err := encode(&p.Geofence)
	if err != nil {
		return nil, err
	}
	limits, err := encode(&p.Limits)
	if err != nil {
		return nil, err
	}
	out.Geofence, out.Limits = *fence, *limits
	return &out, nil
}

// Party implements mssp.Store.
func (s *Store) Party(ctx context.Context, id string) (p *mssp.Party, err error) {
	err = s.read(ctx, func() error {
		if p = s.parties[id]; p == nil {
			return mssp.ErrNotFound
		}
		return nil
	})
	return p, err
}

// PartyIDs implements mssp.Store.
func (s *Store) PartyIDs(ctx context.Context) (ids []string, err error) {
	err = s.read(ctx, func() error { ids = slices.Sorted(maps.Keys(s.parties)); return nil })
	return ids, err
}

// Pins implements mssp.Store.
func (s *Store) Pins(ctx context.Context) (all []mssp.Pin, err error) {
	err = s.read(ctx, func() error {
		for _, p := range s.parties {
			all = append(all, p.Pins...)
		}
		return nil
	})
	return all, err
}

// PutParty implements mssp.Store.
func (s *Store) PutParty(ctx context.Context, p *mssp.Party) error {
	kept, err := copyParty(p)
	if err != nil {
		return err
	}
	return s.write(ctx, func() error { set(&s.parties, kept.ID, kept); return nil })
}

// UpdateParty implements mssp.Store.
func (s *Store) UpdateParty(ctx context.Context, id string, change func(*mssp.Party) error) error {
	return s.write(ctx, func() error {
		old := s.parties[id]
		if old == nil {
			return mssp.ErrNotFound
		}
		p, err := copyParty(old)
		if err == nil {
			err = change(p)
		}
		if err == nil {
			p.ID = id
			p, err = copyParty(p)
		}
		if err == nil {
			s.parties[id] = p
		}
		return err
	})
}

// RemoveParty implements mssp.Store.
func (s *Store) RemoveParty(ctx context.Context, id string) error {
	return s.write(ctx, func() error {
		if s.parties[id] == nil {
			return mssp.ErrNotFound
		}
		delete(s.parties, id)
		return nil
	})
}

// lastLogo was checked last.
var lastLogo atomic.Pointer[mssp.Logo]

// PutLogo implements mssp.Store. It keeps the image itself, because all worlds have the same
// one, and its ID says that nobody changes it.
func (s *Store) PutLogo(ctx context.Context, l *mssp.Logo) error {
	if l != lastLogo.Load() { // to look at an image takes longer than all the rest of a world
		if err := l.Check(); err != nil {
			return fmt.Errorf("store: %w", err)
		}
		lastLogo.Store(l)
	}
	return s.write(ctx, func() error {
		if s.logos[l.ID] == nil {
			set(&s.logos, l.ID, l.PNG)
		}
		return nil
	})
}

// Logo implements mssp.Store.
func (s *Store) Logo(ctx context.Context, id string) (png []byte, err error) {
	err = s.read(ctx, func() error {
		if png = octets(s.logos[id]); png == nil {
			return mssp.ErrNotFound
		}
		return nil
	})
	return png, err
}
