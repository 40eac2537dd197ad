package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storable"
)

const cardColumns = `
SELECT c.iccid, COALESCE(c.device_id, ''), COALESCE(d.msisdn, ''), c.state, c.key_set, c.algorithm, c.kic, c.kid,
    c.profile, c.counter, c.reply_counter, c.reply_seen, c.created, c.changed
FROM sim_cards c `

var (
	selectCard = &query{text: cardColumns + `LEFT JOIN devices d ON d.id = c.device_id WHERE c.iccid = $1`}
	// There is no ORDER BY and LIMIT: an account has one SIM and so one card, and
	// with them PostgreSQL would walk all cards in that order until it found it.
	selectCardsOf       = &query{text: cardColumns + `JOIN devices d ON d.id = c.device_id WHERE d.msisdn = $1`}
	selectAssignedCards = &query{text: cardColumns + `JOIN devices d ON d.id = c.device_id WHERE c.iccid > $1 ORDER BY c.iccid LIMIT $2`}
)

// Card implements mssp.Store.
func (s *Store) Card(ctx context.Context, iccid string) (*mssp.Card, error) {
	return s.card(ctx, selectCard, iccid)
}

// CardOf implements mssp.Store. If an account had several SIMs, it would be the
// same card each time.
func (s *Store) CardOf(ctx context.Context, msisdn string) (*mssp.Card, error) {
	return s.card(ctx, selectCardsOf, msisdn)
}

// card is the one with the lowest device ID of those that a query finds.
func (s *Store) card(ctx context.Context, q *query, key string) (*mssp.Card, error) {
	if !storable.IsKey(key) {
		return nil, mssp.ErrNotFound
	}
	var found *mssp.Card
	err := s.read.each(ctx, q, []any{key}, func(rows *sql.Rows) error {
		var r cardRow
		err := rows.Scan(r.dest()...)
		if found == nil || r.c.DeviceID < found.DeviceID {
			found = r.card()
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: card: %w", err)
	}
	if found == nil {
		return nil, mssp.ErrNotFound
	}
	return found, nil
}

// AssignedCards implements mssp.Store.
func (s *Store) AssignedCards(ctx context.Context, after string, limit int) ([]*mssp.Card, error) {
	if limit <= 0 {
		return nil, nil
	}
	// A row that cannot be read is left out, and the page filled up: a short page
	// means that it is the last.
	var page []*mssp.Card
	for {
		want, n := limit-len(page), 0
		err := s.read.each(ctx, selectAssignedCards, []any{after, int64(want)}, func(rows *sql.Rows) error {
			var r cardRow
			if err := rows.Scan(r.dest()...); err == nil {
				page = append(page, r.card())
			} else if ofRow(rows, r.c.ICCID) {
				_ = s.unreadable.row(mssp.RowCard, r.c.ICCID, err)
			} else {
				return err
			}
			after, n = r.c.ICCID, n+1
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("store: cards: %w", err)
		}
		if n < want || len(page) == limit {
			return page, nil
		}
	}
}

// nextProfile goes from one name to the next in the index, past all cards that have it.
var nextProfile = &query{text: `
SELECT profile FROM sim_cards WHERE profile <> '' AND profile > $1 ORDER BY profile LIMIT 1`}

// CardProfiles implements mssp.Store.
func (s *Store) CardProfiles(ctx context.Context) ([]string, error) {
	var names []string
	for last := ""; ; {
		found := false
		err := s.read.each(ctx, nextProfile, []any{last}, func(rows *sql.Rows) error {
			found = true
			return rows.Scan(&last)
		})
		if err != nil {
			return nil, fmt.Errorf("store: card profiles: %w", err)
		}
		if !found {
			return names, nil
		}
		names = append(names, last)
	}
}

// cardRow is a row of cardColumns.
type cardRow struct {
	c                                                          mssp.Card
	keySet, counter, replyCounter, replySeen, created, changed int64
}

func (r *cardRow) dest() []any {
	return []any{&r.c.ICCID, &r.c.DeviceID, &r.c.MSISDN, &r.c.State, &r.keySet, &r.c.Algorithm, &r.c.KIc, &r.c.KID,
		&r.c.Profile, &r.counter, &r.replyCounter, &r.replySeen, &r.created, &r.changed}
}

func (r *cardRow) card() *mssp.Card {
	c := r.c
	c.KeySet, c.Counter, c.ReplyCounter, c.ReplySeen = byte(r.keySet), uint64(r.counter), uint64(r.replyCounter), uint64(r.replySeen)
	c.Created, c.Changed = timeOf(r.created), timeOf(r.changed)
	return &c
}

var (
	selectCardState = &query{
		text:     `SELECT state FROM sim_cards WHERE iccid = $1`,
		postgres: `SELECT state FROM sim_cards WHERE iccid = $1 FOR UPDATE`,
	}
	selectCardDevice = &query{text: `
SELECT method FROM devices WHERE id = $1`}
	selectOtherCard = &query{text: `
SELECT 1 FROM sim_cards WHERE device_id = $1 AND iccid <> $2`}
	// Counters belong to a key set: the keys of another one have not seen any yet.
	upsertCard = &query{text: `
INSERT INTO sim_cards (iccid, device_id, state, key_set, algorithm, kic, kid, counter, reply_counter, reply_seen, created, changed, profile)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (iccid) DO UPDATE SET
    device_id = excluded.device_id, state = excluded.state, key_set = excluded.key_set, algorithm = excluded.algorithm,
    kic = excluded.kic, kid = excluded.kid, changed = excluded.changed, profile = excluded.profile,
    counter = CASE WHEN ` + sameKeySet + ` THEN sim_cards.counter ELSE 0 END,
    reply_counter = CASE WHEN ` + sameKeySet + ` THEN sim_cards.reply_counter ELSE 0 END,
    reply_seen = CASE WHEN ` + sameKeySet + ` THEN sim_cards.reply_seen ELSE 0 END`}
)

const sameKeySet = `sim_cards.key_set = excluded.key_set AND sim_cards.algorithm = excluded.algorithm`

// PutCard implements mssp.Store. Only the device of a SIM can have a card.
func (s *Store) PutCard(ctx context.Context, c *mssp.Card) error {
	if err := storable.Card(c); err != nil {
		return err
	}
	return s.write(ctx, &write{then: func(ctx context.Context, s *session, _ int64) error {
		return s.putCard(ctx, c)
	}})
}

// putCard does all checks before its first write, because a refusal must change nothing.
func (s *session) putCard(ctx context.Context, c *mssp.Card) error {
	if c.DeviceID != "" {
		var method string
		if found, err := s.row(ctx, selectCardDevice, []any{c.DeviceID}, &method); err != nil {
			return err
		} else if !found {
			return refuse(mssp.ErrNotFound)
		} else if !mssp.MethodOf(signum.Method(method)).Card {
			return refuse(fmt.Errorf("store: device %s of card %s is not a SIM", c.DeviceID, c.ICCID))
		}
		var one int
		if found, err := s.row(ctx, selectOtherCard, []any{c.DeviceID, c.ICCID}, &one); err != nil {
			return err
		} else if found {
			return refuse(fmt.Errorf("store: card of device %s: %w", c.DeviceID, mssp.ErrExists))
		}
	}
	_, err := s.exec(ctx, upsertCard, cardArgs(c)...)
	return err
}

// cardArgs are those of upsertCard.
func cardArgs(c *mssp.Card) []any {
	var device any
	if c.DeviceID != "" {
		device = c.DeviceID
	}
	return []any{c.ICCID, device, string(c.State), int64(c.KeySet), c.Algorithm, c.KIc, c.KID,
		int64(c.Counter), int64(c.ReplyCounter), int64(c.ReplySeen), micros(c.Created), micros(c.Changed), c.Profile}
}

var rekeyCard = &query{text: `
UPDATE sim_cards SET key_set = $2, algorithm = $3, kic = $4, kid = $5, changed = $6, profile = $7,
    counter = CASE WHEN key_set = $2 AND algorithm = $3 THEN counter ELSE 0 END,
    reply_counter = CASE WHEN key_set = $2 AND algorithm = $3 THEN reply_counter ELSE 0 END,
    reply_seen = CASE WHEN key_set = $2 AND algorithm = $3 THEN reply_seen ELSE 0 END
WHERE iccid = $1`}

// RekeyCard implements mssp.Store.
func (s *Store) RekeyCard(ctx context.Context, c *mssp.Card) error {
	keys := *c
	keys.DeviceID, keys.State = "", mssp.CardStock // not looked at
	if err := storable.Card(&keys); err != nil {
		return err
	}
	return s.update(ctx, rekeyCard, c.ICCID, int64(c.KeySet), c.Algorithm, c.KIc, c.KID, micros(c.Changed), c.Profile)
}

// EnrolCard implements mssp.Store.
func (s *Store) EnrolCard(ctx context.Context, sub *mssp.Subscriber, c *mssp.Card) error {
	if err := storable.EnrolledCard(sub, c); err != nil {
		return err
	}
	return s.write(ctx, &write{then: func(ctx context.Context, s *session, _ int64) error {
		return s.enrolCard(ctx, sub, c)
	}})
}

var insertSubscriber = &query{text: `
INSERT INTO subscribers (msisdn, serial, state, recovery_code, serial_known) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (msisdn) DO NOTHING`}

// enrolCard does all checks before its first write. It writes the account first:
// of several callers that enrol the same number, only one gets past that.
func (s *session) enrolCard(ctx context.Context, sub *mssp.Subscriber, c *mssp.Card) error {
	d := sub.Devices[0]
	if err := s.requireCertificate(ctx, d); err != nil {
		return err
	}
	if err := s.requireFreeDevice(ctx, d.ID); err != nil {
		return err
	}
	var state string
	if found, err := s.row(ctx, selectCardState, []any{c.ICCID}, &state); err != nil {
		return err
	} else if found && state != string(mssp.CardStock) {
		return refuse(fmt.Errorf("store: card %s, %s: %w", c.ICCID, state, mssp.ErrExists))
	}
	if n, err := s.exec(ctx, insertSubscriber, sub.MSISDN, sub.Serial, string(sub.State), sub.RecoveryCodeCreated, certified(sub.Devices)); err != nil {
		return err
	} else if n == 0 {
		return refuse(fmt.Errorf("store: account: %w", mssp.ErrExists))
	}
	if _, err := s.exec(ctx, insertDevice, deviceArgs(sub.MSISDN, d)...); err != nil {
		return err
	}
	_, err := s.exec(ctx, upsertCard, cardArgs(c)...)
	return err
}

func (s *session) requireFreeDevice(ctx context.Context, id string) error {
	var owner string
	found, err := s.row(ctx, selectDeviceOwner, []any{id}, &owner)
	if err == nil && found {
		err = refuse(fmt.Errorf("store: device %s: %w", id, mssp.ErrExists))
	}
	return err
}
