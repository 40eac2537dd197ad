package store

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storetest"
)

// rowsThatEnd have rows that end at the microseconds 10 and 20, and some that need to stay.
const rowsThatEnd = `
INSERT INTO subscribers (msisdn, serial, state) VALUES ('m', 's', 'ACTIVE');
INSERT INTO certificates (serial, device_id, state, der, not_before, not_after, revoked_at, reason) VALUES
    ('good10', '', 'GOOD', CAST('x' AS bytea), 1, 10, NULL, 0), ('revoked10', '', 'REVOKED', CAST('x' AS bytea), 1, 10, 2, 0),
    ('intended10', '', 'INTENDED', NULL, 1, 10, NULL, 0), ('used10', 'now', 'GOOD', CAST('x' AS bytea), 1, 10, NULL, 0),
    ('good20', '', 'GOOD', CAST('x' AS bytea), 1, 20, NULL, 0);
INSERT INTO devices (id, msisdn, method, state, key_type, cert_serial, ended, ended_at) VALUES
    ('now', 'm', 'App', 'ACTIVE', 'EC', 'used10', '', NULL), ('old10', 'm', 'App', 'INACTIVE', 'EC', NULL, 'user', 10),
    ('card10', 'm', 'SIM', 'INACTIVE', 'EC', NULL, 'user', 10), ('old20', 'm', 'App', 'INACTIVE', 'EC', 'good20', 'user', 20);
INSERT INTO sim_cards (iccid, device_id, state, key_set, algorithm, kic, kid, counter, reply_counter, reply_seen, created, changed)
    VALUES ('c', 'card10', 'BLOCKED', 1, 'AES', CAST('x' AS bytea), CAST('x' AS bytea), 1, 1, 1, 1, 1),
    ('retired', NULL, 'RETIRED', 1, 'AES', CAST('x' AS bytea), CAST('x' AS bytea), 1, 1, 1, 1, 1);
INSERT INTO invites (msisdn, code_hash, trusted, created, expires) VALUES ('m10', CAST('11111111111111111111111111111111' AS bytea), false, 1, 10), ('m20', CAST('22222222222222222222222222222222' AS bytea), false, 1, 20);
INSERT INTO consents (msisdn, kind, subject, device_id, trans_id, given, expires) VALUES ('m', 'activate_sim', 'k10', '', '', 1, 10), ('m', 'activate_sim', 'k20', '', '', 1, 20);
INSERT INTO notices (id, msisdn, kind, device_id, name, by_code, code_hash, created, expires)
    VALUES ('n10', 'm', 'app_removed', '', '', false, CAST('11111111111111111111111111111111' AS bytea), 1, 10), ('n20', 'm', 'app_removed', '', '', false, CAST('22222222222222222222222222222222' AS bytea), 1, 20);`

// Each kind goes when its own end is before the time, and stays while something needs it.
func TestPurgeKinds(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url), t.Context()
		p, err := openPools(ctx, url, newOptions(nil))
		must(t, err)
		defer p.close()
		rows := rowsThatEnd
		if p.engine == sqlite {
			rows = strings.ReplaceAll(rows, "AS bytea", "AS blob") // as the driver writes bytes
		}
		_, err = p.write.ExecContext(ctx, rows)
		must(t, err)
		for _, tt := range []struct {
			purge func(ctx context.Context, before time.Time, limit int) (int, error)
			all   string
			left  string
		}{
			{s.PurgeDevices, `SELECT id FROM devices ORDER BY id`, "card10 now old20"},
			{s.PurgeCertificates, `SELECT serial FROM certificates ORDER BY serial`, "good20 used10"},
			{s.PurgeInvites, `SELECT msisdn FROM invites ORDER BY msisdn`, "m20"},
			{s.PurgeConsents, `SELECT subject FROM consents ORDER BY subject`, "k20"},
			{s.PurgeNotices, `SELECT id FROM notices ORDER BY id`, "n20"},
		} {
			for _, step := range []struct{ at, limit, most int }{{9, 100, 0}, {11, 0, 0}, {11, 1, 1}, {11, 100, 100}} {
				n, err := tt.purge(ctx, time.UnixMicro(int64(step.at)), step.limit)
				if n > step.most || step.limit == 1 && n != 1 || err != nil {
					t.Errorf("%s: %d of %d before %d, %v", tt.all, n, step.limit, step.at, err)
				}
			}
			if got := column(t, p, tt.all); got != tt.left {
				t.Errorf("%s: left are %s", tt.all, got)
			}
		}
		if got := column(t, p, `SELECT iccid FROM sim_cards ORDER BY iccid`); got != "c retired" {
			t.Errorf("cards: %s", got)
		}
	})
}

func column(t *testing.T, p *pools, statement string) string {
	t.Helper()
	all, err := p.strings(t.Context(), p.write, &query{text: statement})
	must(t, err)
	return strings.Join(all, " ")
}

// judged says of each table what may remain of a user when all times are over.
var judged = map[string]string{
	"transactions": "", "receipts": "", "verifications": "", "outstanding": "", "invites": "", "consents": "", "notices": "",
	"sim_outbox": "", "sms_parts": "", "shared_values": "",
	"certificates": "", // as long as a device is active, it has one, which names the account's serial only
	// The account itself, until an operator removes it.
	"subscribers": "number", "devices": "number",
	// These know no user.
	"apps": "", "sim_cards": "", "parties": "", "logos": "", "instance": "", "signum_schema": "", "nodes": "", "leases": "",
}

// When its time is over, no table has the number, the text or the place of a request. A
// table that is new fails here until somebody has decided what may remain in it.
func TestNothingRemains(t *testing.T) {
	const number, text, place = "+41790001234", "Pay 12 to Bob?", "Atlantis"
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url), t.Context()
		must(t, s.MakePartitions(ctx, noon, time.Hour))
		must(t, s.PutSubscriber(ctx, &mssp.Subscriber{MSISDN: number, State: mssp.SubscriberActive,
			Devices: []mssp.Device{{ID: "d", Method: "App", State: signum.DeviceActive}}}))
		// Signed with a receipt, failed, refused from the start; with and without partition.
		for n, at := range []time.Time{noon, noon.Add(time.Minute), noon.Add(-9 * time.Hour), noon.Add(-8 * time.Hour), noon.Add(time.Second)} {
			tx := calledAt(n, at)
			tx.MSISDN, tx.MSISDNSent, tx.DeviceID, tx.Method, tx.Text = number, number[1:], "d", "App", text
			if n == 4 {
				tx.State, tx.Outcome, tx.Finished = mssp.StateFailed, mssp.Outcome{Code: 501}, at
			}
			must(t, s.InsertTransaction(ctx, tx))
			if n == 4 {
				continue
			}
			o := mssp.Outcome{Code: 208}
			if n%2 == 0 {
				o = mssp.Outcome{Code: 500, Signature: []byte{1}, Verified: &mssp.UserVerification{}, Location: &mssp.Location{Country: place}}
			}
			if done, err := s.FinishTransaction(ctx, tx.ID, o, storetest.By(tx), at); !done || err != nil {
				t.Fatal(done, err)
			}
			if n%2 == 0 {
				must(t, s.InsertReceipt(ctx, &mssp.Receipt{TransID: tx.ID, DeviceID: "d", MSISDN: number, Text: text, Created: at, Expires: at}))
			}
		}
		hash := []byte(strings.Repeat("x", 32))
		must(t, s.PutInvite(ctx, &mssp.Invite{MSISDN: number, CodeHash: hash, Created: noon, Expires: noon.Add(time.Minute)}))
		must(t, s.PutConsent(ctx, &mssp.Consent{MSISDN: number, Kind: mssp.ConsentActivate, Subject: "d", Given: noon, Expires: noon.Add(time.Minute)}))
		must(t, s.PutNotice(ctx, &mssp.Notice{ID: "n", MSISDN: number, Kind: mssp.NoticeAppAdded, CodeHash: hash, Created: noon, Expires: noon.Add(time.Minute)}))
		must(t, s.PutSIMRequest(ctx, &mssp.SIMRequest{TransID: "h1", DeviceID: "d", MSISDN: number, State: []byte("{}"), Expires: noon}))
		must(t, s.PutPart(ctx, &mssp.MessagePart{MSISDN: number, Total: 2, Seq: 1, Body: []byte(text)}, 10))
		must(t, s.PutValue(ctx, "app opened", number, []byte(number), noon))
		traces := map[string]string{"number": number[1:], "text": text, "place": place}
		if found := tracesIn(t, s, traces); !slices.Equal(found["transactions"], []string{"number", "place", "text"}) || len(found) < 6 {
			t.Fatalf("before: %v", found)
		}
		end := noon.Add(24 * time.Hour)
		partsNow := func(ctx context.Context, _ time.Time, limit int) (int, error) { // they arrive by the clock of the database
			return s.PurgeParts(ctx, time.Now().Add(time.Hour), limit)
		}
		for range 2 {
			_, err := s.DropPartitions(ctx, end, time.Hour, time.Hour, false)
			must(t, err)
			for _, purge := range []func(context.Context, time.Time, int) (int, error){
				s.PurgeRest, s.PurgeDevices, s.PurgeCertificates, s.PurgeInvites, s.PurgeConsents, s.PurgeNotices,
				s.PurgeSIMRequests, s.PurgeValues, partsNow} {
				_, err := purge(ctx, end, 100)
				must(t, err)
			}
			end = end.Add(2 * time.Hour)
		}
		for table, left := range tracesIn(t, s, traces) {
			if !slices.Equal(left, strings.Fields(judged[table])) {
				t.Errorf("left in %s: %v", table, left)
			}
		}
	})
}

// tracesIn lists by table which of the traces its rows have.
func tracesIn(t *testing.T, s *Store, traces map[string]string) map[string][]string {
	t.Helper()
	names, err := s.read.strings(t.Context(), s.read.read, selectTables)
	must(t, err)
	found := make(map[string][]string)
	for _, name := range names {
		if _, ok := judged[name]; !ok {
			t.Errorf("the table %s is new: decide what of a user may remain in it", name)
		}
		rows, err := s.read.read.QueryContext(t.Context(), `SELECT * FROM "`+name+`"`)
		must(t, err)
		columns, err := rows.Columns()
		must(t, err)
		values, dest := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			dest[i] = &values[i]
		}
		var all strings.Builder
		must(t, scanAll(rows, nil, func(r *sql.Rows) error {
			err := r.Scan(dest...)
			for _, v := range values {
				fmt.Fprintf(&all, "%s %v\n", v, v)
			}
			return err
		}))
		for _, trace := range slices.Sorted(maps.Keys(traces)) {
			if strings.Contains(all.String(), traces[trace]) {
				found[name] = append(found[name], trace)
			}
		}
	}
	return found
}
