package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/store/pgtest"
	"github.com/signum-mssp/signum/internal/store/storetest"
)

func testCard(n int, device string) *signum.Card {
	c := &signum.Card{ICCID: fmt.Sprintf("8941%016d", n), DeviceID: device, State: signum.CardActive, KeySet: 1,
		Algorithm: signum.CardAES, KIc: []byte{1}, KID: []byte{1}}
	if device == "" {
		c.State = signum.CardStock
	}
	return c
}

// What is refused of cards, in a crowd of writes that are not, costs no group its
// transaction.
func TestRefusalsOfCardsKeepGroup(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		var log bytes.Buffer
		s, ctx := open(t, url, WithLogger(slog.New(slog.NewTextHandler(&log, nil))), WithWriters(1)), t.Context()
		now := time.UnixMicro(1)
		sim := signum.Device{ID: "sim", Method: signum.SIM, State: signum.DeviceActive}
		for _, msisdn := range []string{"+1", "+2"} {
			sub := &signum.Subscriber{MSISDN: msisdn, State: signum.SubscriberActive}
			if msisdn == "+1" {
				sub.Devices = []signum.Device{sim}
			}
			if err := s.PutSubscriber(ctx, sub); err != nil {
				t.Fatal(err)
			}
		}
		blocked, last := testCard(1, "sim"), testCard(2, "")
		blocked.State = signum.CardBarred
		for _, c := range []*signum.Card{blocked, last} {
			if err := s.PutCard(ctx, c); err != nil {
				t.Fatal(err)
			}
		}
		var all sync.WaitGroup
		for i := range 50 {
			other := signum.Device{ID: fmt.Sprint("d", i), Method: signum.SIM, State: signum.DeviceActive}
			for name, refused := range map[string]func() error{
				"put":         func() error { return s.PutCard(ctx, testCard(3, "none")) },
				"put another": func() error { return s.PutCard(ctx, testCard(3, "sim")) },
				"enrol": func() error {
					return s.EnrolCard(ctx, &signum.Subscriber{MSISDN: "+1", State: signum.SubscriberActive, Devices: []signum.Device{other}},
						testCard(100+i, other.ID))
				},
				"rekey":         func() error { return s.RekeyCard(ctx, testCard(99, "")) },
				"counter":       func() error { _, err := s.TakeCounter(ctx, blocked.ICCID); return err },
				"no counter":    func() error { _, err := s.TakeCounter(ctx, "none"); return err },
				"reply":         func() error { _, err := s.AcceptReply(ctx, "none", 1); return err },
				"state":         func() error { return s.SetCardState(ctx, last.ICCID, signum.CardActive, now) },
				"swap":          func() error { return s.SwapCard(ctx, "+2", blocked.ICCID, other, now) },
				"swap nothing":  func() error { return s.SwapCard(ctx, "+2", "none", other, now) },
				"swap device":   func() error { return s.SwapCard(ctx, "+2", last.ICCID, sim, now) },
				"renumber":      func() error { return s.RenumberSubscriber(ctx, "+1", "+2") },
				"renumber none": func() error { return s.RenumberSubscriber(ctx, "none", "+3") },
			} {
				all.Go(func() {
					if refused() == nil {
						t.Errorf("%s: taken", name)
					}
				})
			}
			all.Go(func() {
				if err := s.InsertTransaction(ctx, storetest.NewTransaction(i)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if bytes.Contains(log.Bytes(), []byte("one by one")) {
			t.Errorf("a group was rolled back: %s", log.Bytes())
		}
	})
}

// Several counters that are taken in one group differ, and those of a group that
// was rolled back are not lost: nobody was told.
func TestCountersOfOneGroup(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, WithWriters(1)), t.Context()
		if err := s.PutSubscriber(ctx, &signum.Subscriber{MSISDN: "+1", State: signum.SubscriberActive,
			Devices: []signum.Device{{ID: "sim", Method: signum.SIM, State: signum.DeviceActive}}}); err != nil {
			t.Fatal(err)
		}
		c := testCard(1, "sim")
		if err := s.PutCard(ctx, c); err != nil {
			t.Fatal(err)
		}
		const n = 20
		var all sync.WaitGroup
		taken := make([]bool, n+1)
		var mu sync.Mutex
		all.Go(func() {
			for _, err := range together(s, &write{first: &query{text: `INSERT nonsense`}}, putParty("p")) {
				_ = err // one fails, and makes its group run one by one
			}
		})
		for range n {
			all.Go(func() {
				counter, err := s.TakeCounter(ctx, c.ICCID)
				if err != nil || counter < 1 || counter > n {
					t.Error(counter, err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				if taken[counter] {
					t.Errorf("%d was taken twice", counter)
				}
				taken[counter] = true
			})
		}
		all.Wait()
		wantParties(t, s, "p")
	})
}

// A card is found by indexes, by its number and by its subscriber's.
func TestCardPlan(t *testing.T) {
	s := open(t, t.TempDir()+"/test.db")
	for _, q := range []*query{selectCard, selectCardsOf, selectReplies, selectOtherCard} {
		args := []any{"a", "b"}[:strings.Count(q.text, "$")]
		rows, err := s.read.db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+q.text, args...)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var id, parent, unused int
			var step string
			if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(step, "SCAN") {
				t.Errorf("%s: %s", q.text, step)
			}
		}
	}
}

// Nor does PostgreSQL, which knows nothing of the tables yet, go through the cards
// of others.
func TestCardPlanPostgres(t *testing.T) {
	s := open(t, pgtest.URL(t))
	const cards = 20_000
	for _, fill := range []string{
		`INSERT INTO subscribers (msisdn, serial, state, recovery_code) SELECT 'm' || n, 's' || n, 'ACTIVE', false FROM generate_series(1, $1::int) n`,
		`INSERT INTO devices (id, msisdn, method, state, key_type, pin_blocked, network)
			SELECT 'd' || n, 'm' || n, 'SIM', 'ACTIVE', 'EC', false, '' FROM generate_series(1, $1::int) n`,
		`INSERT INTO sim_cards (iccid, device_id, state, key_set, algorithm, kic, kid, counter, reply_counter, reply_seen, created, changed)
			SELECT 'c' || n, 'd' || n, 'ACTIVE', 1, 'AES', 'k', 'k', 0, 0, 0, 0, 0 FROM generate_series(1, $1::int) n`,
	} {
		if _, err := s.read.db.ExecContext(t.Context(), fill, cards); err != nil {
			t.Fatal(err)
		}
	}
	// As it comes to be for a statement that is prepared and used often: a plan for
	// every value, not for these.
	c, err := s.read.db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.ExecContext(t.Context(), "SET plan_cache_mode = force_generic_plan"); err != nil {
		t.Fatal(err)
	}
	n := 0
	for q, args := range map[*query]string{
		selectCard: "'c1234'", selectCardsOf: "'m1234'", selectOtherCard: "'d1234', 'c1'", selectSubscriber: "'m1234'",
	} {
		n++
		if _, err := c.ExecContext(t.Context(), fmt.Sprintf("PREPARE q%d AS %s", n, q.text)); err != nil {
			t.Fatal(err)
		}
		var plan string
		if err := c.QueryRowContext(t.Context(), fmt.Sprintf("EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE q%d(%s)", n, args)).Scan(&plan); err != nil {
			t.Fatal(err)
		}
		var nodes any
		if err := json.Unmarshal([]byte(plan), &nodes); err != nil {
			t.Fatal(err)
		}
		if n := rowsRead(nodes); n > 10 {
			t.Errorf("%s\nreads %.0f rows:\n%s", q.text, n, plan)
		}
	}
}

// rowsRead sums the rows that the nodes of a plan gave or dropped.
func rowsRead(node any) (n float64) {
	switch node := node.(type) {
	case []any:
		for _, child := range node {
			n += rowsRead(child)
		}
	case map[string]any:
		loops, _ := node["Actual Loops"].(float64)
		for name, v := range node {
			if count, ok := v.(float64); ok && (name == "Actual Rows" || strings.HasPrefix(name, "Rows Removed")) {
				n += loops * count
			}
			n += rowsRead(v)
		}
	}
	return n
}
