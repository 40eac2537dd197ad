package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storable"
)

// partyTTL is how long a party is answered from memory. A change that another
// node or process made is seen after this time at the latest.
const partyTTL = time.Second

// parties caches parties, which are few and needed for every request. Unknown ones
// are not cached, so that nobody can fill the cache.
type parties struct {
	mu         sync.RWMutex
	byID       map[string]cachedParty
	generation uint64 // counts the writes of parties
}

type cachedParty struct {
	party *mssp.Party
	until time.Time
}

// get returns the party if it is cached, and the generation to pass to put.
func (c *parties) get(id string) (*mssp.Party, uint64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if e, ok := c.byID[id]; ok && time.Now().Before(e.until) {
		return e.party, c.generation
	}
	return nil, c.generation
}

// put caches a party that was read, unless a party was written since get: the one
// that was read may be outdated.
func (c *parties) put(p *mssp.Party, generation uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.generation != generation {
		return
	}
	if c.byID == nil {
		c.byID = make(map[string]cachedParty)
	}
	c.byID[p.ID] = cachedParty{p, time.Now().Add(partyTTL)}
}

func (c *parties) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	delete(c.byID, id)
}

const partyColumns = `
SELECT ap_pwd, dtbd_prefix, pins, profiles, auth_profile1, services, default_lang,
    auto_activation, test_numbers, geofence, limits, own, name, logo, encrypted_receipts,
    unprefixed_receipts, subject_name_base64
FROM parties WHERE id = $1`

var (
	selectParty = &query{text: partyColumns}
	// The row stays locked on PostgreSQL until its update has committed.
	selectPartyForUpdate = &query{text: partyColumns, postgres: partyColumns + ` FOR UPDATE`}
)

// partyRow is where a row of partyColumns is read into.
type partyRow struct {
	p                                          mssp.Party
	pins, profiles, services, geofence, limits string
}

func (r *partyRow) dest() []any {
	p := &r.p
	return []any{&p.PasswordHash, &p.DTBDPrefix, &r.pins, &r.profiles, &p.AuthProfile1, &r.services, &p.DefaultLang,
		&p.AutoActivation, &p.TestNumbers, &r.geofence, &r.limits, &p.Own, &p.Name, &p.Logo, &p.EncryptedReceipts,
		&p.UnprefixedReceipts, &p.SubjectNameBase64}
}

func (r *partyRow) party() (*mssp.Party, error) {
	err := decodeLists(&r.p, r.pins, r.profiles, r.services)
	if err == nil {
		err = decodeJSON("geofence", r.geofence, &r.p.Geofence)
	}
	if err == nil {
		err = decodeJSON("limits", r.limits, &r.p.Limits)
	}
	return &r.p, err
}

// Party implements mssp.Store. A change made through this Store is seen at
// once, one made elsewhere within a second.
func (s *Store) Party(ctx context.Context, id string) (*mssp.Party, error) {
	p, generation := s.parties.get(id)
	if p != nil {
		return p, nil
	}
	if !storable.IsKey(id) {
		return nil, mssp.ErrNotFound
	}
	r := partyRow{p: mssp.Party{ID: id}}
	err := s.read.row(ctx, selectParty, []any{id}, r.dest()...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, mssp.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("store: party: %w", err)
	}
	if p, err = r.party(); err != nil {
		return nil, s.unreadable.row(mssp.RowParty, id, err)
	}
	s.parties.put(p, generation)
	return p, nil
}

var selectPins = &query{text: `SELECT id, pins FROM parties`}

// Pins implements mssp.Store.
func (s *Store) Pins(ctx context.Context) (all []mssp.Pin, err error) {
	err = s.read.each(ctx, selectPins, nil, func(rows *sql.Rows) error {
		var id, pins string
		if err := rows.Scan(&id, &pins); err != nil {
			return err
		}
		var p mssp.Party
		if err := decodePins(&p, pins); err != nil {
			_ = s.unreadable.row(mssp.RowParty, id, err) // reported once
			return nil
		}
		all = append(all, p.Pins...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("store: pins: %w", err)
	}
	return all, nil
}

var upsertParty = &query{text: `
INSERT INTO parties (id, ap_pwd, dtbd_prefix, pins, profiles, auth_profile1, services, default_lang,
    auto_activation, test_numbers, geofence, limits, own, name, logo, encrypted_receipts,
    unprefixed_receipts, subject_name_base64)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
ON CONFLICT (id) DO UPDATE SET
    ap_pwd          = excluded.ap_pwd,
    dtbd_prefix     = excluded.dtbd_prefix,
    pins            = excluded.pins,
    profiles        = excluded.profiles,
    auth_profile1   = excluded.auth_profile1,
    services        = excluded.services,
    default_lang    = excluded.default_lang,
    auto_activation = excluded.auto_activation,
    test_numbers    = excluded.test_numbers,
    geofence        = excluded.geofence,
    limits          = excluded.limits,
    own             = excluded.own,
    name            = excluded.name,
    logo            = excluded.logo,
    encrypted_receipts = excluded.encrypted_receipts,
    unprefixed_receipts = excluded.unprefixed_receipts,
    subject_name_base64 = excluded.subject_name_base64`}

// PutParty implements mssp.Store.
func (s *Store) PutParty(ctx context.Context, p *mssp.Party) error {
	args, err := partyArgs(p)
	if err != nil {
		return err
	}
	err = s.write(ctx, &write{row: p.ID, first: upsertParty, args: args})
	s.parties.forget(p.ID) // after an error too: it may have been written
	return err
}

// UpdateParty implements mssp.Store.
func (s *Store) UpdateParty(ctx context.Context, id string, change func(*mssp.Party) error) error {
	if !storable.IsKey(id) {
		return mssp.ErrNotFound
	}
	bad := &s.unreadable
	err := s.change(ctx, id, func(ctx context.Context, s *session, call caller) error {
		r := partyRow{p: mssp.Party{ID: id}}
		if found, err := s.row(ctx, selectPartyForUpdate, []any{id}, r.dest()...); err != nil {
			return err
		} else if !found {
			return refuse(mssp.ErrNotFound)
		}
		p, err := r.party()
		if err != nil {
			return refuse(bad.row(mssp.RowParty, id, err))
		}
		if err := call(func() error { return change(p) }); err != nil {
			return refuse(err)
		}
		p.ID = id
		args, err := partyArgs(p)
		if err != nil {
			return refuse(err)
		}
		_, err = s.exec(ctx, upsertParty, args...)
		return err
	})
	s.parties.forget(id) // after an error too: it may have been written
	return err
}

var deleteParty = &query{text: `DELETE FROM parties WHERE id = $1`}

// RemoveParty implements mssp.Store.
func (s *Store) RemoveParty(ctx context.Context, id string) error {
	err := s.update(ctx, deleteParty, id)
	s.parties.forget(id) // after an error too: it may be gone
	return err
}

// partyArgs checks a party and returns the arguments of upsertParty.
func partyArgs(p *mssp.Party) ([]any, error) {
	if err := storable.Party(p); err != nil {
		return nil, err
	}
	geofence, err := encodeGeofence(&p.Geofence)
	if err != nil {
		return nil, err
	}
	limits, err := encodeLimits(&p.Limits)
	if err != nil {
		return nil, err
	}
	pins := make([]string, len(p.Pins))
	for i, pin := range p.Pins {
		pins[i] = pin.String()
	}
	return []any{p.ID, p.PasswordHash, p.DTBDPrefix, encodeList(pins), encodeList(p.Profiles),
		p.AuthProfile1, encodeList(p.Services), p.DefaultLang, p.AutoActivation, p.TestNumbers, geofence,
		limits, p.Own, p.Name, p.Logo, p.EncryptedReceipts, p.UnprefixedReceipts, p.SubjectNameBase64}, nil
}

// encodeList writes texts as a JSON array.
func encodeList(texts []string) string {
	if len(texts) == 0 {
		return "[]"
	}
	b, _ := json.Marshal(texts) // texts always marshal
	return string(b)
}

func decodeLists(p *mssp.Party, pins, profiles, services string) error {
	if err := decodePins(p, pins); err != nil {
		return err
	}
	if err := decodeList(profiles, &p.Profiles); err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	if err := decodeList(services, &p.Services); err != nil {
		return fmt.Errorf("services: %w", err)
	}
	return nil
}

func decodePins(p *mssp.Party, pins string) error {
	var texts []string
	if err := json.Unmarshal([]byte(pins), &texts); err != nil {
		return fmt.Errorf("pins: %w", err)
	}
	for _, text := range texts {
		b, err := hex.DecodeString(text)
		if err != nil || len(b) != len(mssp.Pin{}) {
			return fmt.Errorf("pin %q is not a SHA-256 in hex", text)
		}
		p.Pins = append(p.Pins, mssp.Pin(b))
	}
	return nil
}

// decodeList leaves nil for an empty list.
func decodeList(text string, to *[]string) error {
	if text == "[]" {
		return nil
	}
	return json.Unmarshal([]byte(text), to)
}
