package store

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/pgtest"
)

// rowsOf3 holds rows of schema version 3, of the tables that cards of version 4 refer
// to.
const rowsOf3 = `
INSERT INTO subscribers VALUES ('+41790000001', 'MIDCHE0000000001', 'ACTIVE', true, NULL);
INSERT INTO devices VALUES
    ('app', '+41790000001', 'App', 'ACTIVE', 'EC', NULL, false, ''),
    ('sim', '+41790000001', 'SIM', 'REGISTERED', '', NULL, true, '{"MCC":"228","MNC":"01","Name":"Swisscom"}');
INSERT INTO apps VALUES ('app', CAST('key' AS bytea), CAST('01234567890123456789012345678901' AS bytea),
    CAST('share' AS bytea), 3, '', '', '', '', '', 1, 2);`

// Rows of version 3 are kept, and their accounts can get cards and be renumbered.
func TestMigrationFrom3(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		old := openVersion(t, url, 3)
		rows := rowsOf3
		if old.engine == sqlite {
			rows = strings.ReplaceAll(rows, "AS bytea", "AS blob") // as the driver writes bytes
		}
		if _, err := old.write.Exec(rows); err != nil {
			t.Fatal(err)
		}
		old.close()
		s, ctx := open(t, url), t.Context()
		same := func(want, got any, err error) {
			t.Helper()
			if d := cmp.Diff(want, got); err != nil || d != "" {
				t.Errorf("%v: -want +got\n%s", err, d)
			}
		}
		at := time.UnixMicro(5).UTC()
		card := &mssp.Card{ICCID: "89410000000000000001", DeviceID: "sim", State: mssp.CardActive, KeySet: 1,
			Algorithm: mssp.CardAES, KIc: []byte{1}, KID: []byte{2}, Created: at, Changed: at}
		if err := s.PutCard(ctx, card); err != nil {
			t.Fatal(err)
		}
		if err := s.RenumberSubscriber(ctx, "+41790000001", "+41790000002"); err != nil {
			t.Fatal(err)
		}
		card.MSISDN = "+41790000002"
		got, err := s.CardOf(ctx, card.MSISDN)
		same(card, got, err)
		sub, err := s.Subscriber(ctx, card.MSISDN)
		same(&mssp.Subscriber{MSISDN: card.MSISDN, Serial: "MIDCHE0000000001", State: mssp.SubscriberActive,
			RecoveryCodeCreated: true,
			Devices: []mssp.Device{
				{ID: "app", Method: signum.App, State: signum.DeviceActive, KeyType: signum.EC},
				{ID: "sim", Method: signum.SIM, State: signum.DeviceRegistered, PINBlocked: true,
					Network: signum.Network{MCC: "228", MNC: "01", Name: "Swisscom"}},
			}}, sub, err)
		app, err := s.App(ctx, "app")
		same(card.MSISDN, app.MSISDN, err)
	})
}

// The schema itself refuses a card in an unknown state, a card in stock with a device
// or in use without one, a second card in a device, wrong key sets and counters, and
// the deletion of a device that has a card.
func TestSchemaOfCards(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url), t.Context()
		if err := s.PutSubscriber(ctx, &mssp.Subscriber{MSISDN: "+41", State: mssp.SubscriberActive,
			Devices: []mssp.Device{{ID: "d", Method: signum.SIM, State: signum.DeviceActive}}}); err != nil {
			t.Fatal(err)
		}
		const card = `INSERT INTO sim_cards VALUES ('1', 'd', 'ACTIVE', 1, 'AES', CAST('k' AS bytea), CAST('k' AS bytea), 0, 0, -1, 0, 0, '')`
		run := func(statement string) error {
			return s.write(ctx, &write{first: &query{text: statement}})
		}
		if err := run(card); err != nil {
			t.Fatal(err)
		}
		const set = `UPDATE sim_cards SET `
		for _, test := range []struct{ statement, want string }{
			{strings.Replace(card, "'d', 'ACTIVE'", "NULL, 'STOCK'", 1), "sim_cards"}, // SQLite names the column
			{strings.Replace(card, "'1'", "'2'", 1), "sim_cards"},
			{strings.Replace(strings.Replace(card, "'1'", "'2'", 1), "'d'", "'none'", 1), ""}, // SQLite does not name references
			{`DELETE FROM devices`, ""},
			{set + `state = 'LOST'`, "sim_cards_"},
			{set + `state = 'STOCK'`, "sim_cards_placed"},
			{set + `state = 'RETIRED'`, "sim_cards_placed"},
			{set + `device_id = NULL`, "sim_cards_placed"},
			{set + `key_set = 0`, "sim_cards_key_set"},
			{set + `key_set = 16`, "sim_cards_key_set"},
			{set + `algorithm = 'DES'`, "sim_cards_algorithms"},
			{set + `kic = ''`, "sim_cards_keys"},
			{set + `kid = ''`, "sim_cards_keys"},
			{set + `counter = -1`, "sim_cards_counter"},
			{set + `counter = 1099511627776`, "sim_cards_counter"},
			{set + `reply_counter = -1`, "sim_cards_reply"},
			{set + `reply_counter = 1099511627776`, "sim_cards_reply"},
		} {
			if err := run(test.statement); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %v, want %s", test.statement, err, test.want)
			}
		}
		if err := run(set + `counter = 1099511627775, reply_counter = 1099511627775, state = 'BLOCKED'`); err != nil {
			t.Error(err)
		}
	})
}

// On PostgreSQL keys of cards are compared byte by byte.
func TestPostgresCardKeys(t *testing.T) {
	s := open(t, pgtest.URL(t))
	for _, column := range []string{"iccid", "device_id"} {
		var collation string
		err := s.read.read.QueryRow(`SELECT c.collname FROM pg_attribute a JOIN pg_collation c ON c.oid = a.attcollation
WHERE a.attrelid = 'sim_cards'::regclass AND a.attname = $1`, column).Scan(&collation)
		if err != nil || collation != "C" {
			t.Errorf("%s: %s, %v", column, collation, err)
		}
	}
}
