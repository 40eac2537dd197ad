package store

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/store/pgtest"
)

// planFill makes 20,000 subscribers, each with a SIM, its card and certificate and
// an App, and 50,000 transactions, of which 500 are outstanding.
var planFill = []string{
	`INSERT INTO subscribers (msisdn, serial, state, recovery_code) SELECT 'm' || n, 's' || n, 'ACTIVE', false FROM generate_series(1, 20000) n`,
	`INSERT INTO certificates (serial, device_id, state, der, not_before, not_after, revoked_at, reason)
		SELECT 'x' || n, 'd' || n, CASE WHEN n % 1000 = 0 THEN 'REVOKED' ELSE 'GOOD' END, decode(repeat('5a', 700), 'hex'), 0, n,
			CASE WHEN n % 1000 = 0 THEN 1 END, 0 FROM generate_series(1, 20000) n`,
	`INSERT INTO devices (id, msisdn, method, state, key_type, cert_serial, pin_blocked, network)
		SELECT 'd' || n, 'm' || n, 'SIM', 'ACTIVE', 'EC', 'x' || n, false, '' FROM generate_series(1, 20000) n`,
	`INSERT INTO devices (id, msisdn, method, state, key_type, pin_blocked, network)
		SELECT 'a' || n, 'm' || n, 'App', 'ACTIVE', 'EC', false, '' FROM generate_series(1, 20000) n`,
	`INSERT INTO sim_cards (iccid, device_id, state, key_set, algorithm, kic, kid, counter, reply_counter, reply_seen, created, changed)
		SELECT 'c' || n, 'd' || n, 'ACTIVE', 1, 'AES', 'k', 'k', 0, 0, 0, 0, 0 FROM generate_series(1, 20000) n`,
	`INSERT INTO apps (device_id, auth_key, verifier_hash, share, tries_left, name, version, platform, push, passkeys, enrolled, last_seen)
		SELECT 'a' || n, 'k', decode(repeat('00', 32), 'hex'), 's', 3, '', '', '', '', '', 0, 0 FROM generate_series(1, 20000) n`,
	`INSERT INTO invites (msisdn, code_hash, trusted, created, expires)
		SELECT 'm' || n, decode(lpad(to_hex(n), 64, '0'), 'hex'), false, 0, 1000000 + n FROM generate_series(1, 20000) n`,
	`INSERT INTO consents (msisdn, kind, subject, device_id, trans_id, given, expires)
		SELECT 'm' || n, 'activate_sim', 'a' || n, 'd' || n, 't', 0, 1000000 + n FROM generate_series(1, 20000) n`,
	`INSERT INTO notices (id, msisdn, kind, device_id, name, by_code, code_hash, created, expires)
		SELECT 'n' || n, 'm' || n, 'app_added', 'a' || n, '', false, decode(lpad(to_hex(n), 64, '0'), 'hex'), 0, 1000000 + n FROM generate_series(1, 20000) n`,
	`INSERT INTO transactions (id, ap_id, ap_trans_id, ap_instant, msisdn, msisdn_sent, device_id, method, profile, async, lang, mime_type, dtbd,
			services, signed_attrs, cert_serial, state, code, detail, signature, created, expires, finished)
		SELECT 't' || n, 'ap', 'a' || n, n, 'm' || (n % 20000), '', 'd' || (n % 20000), 'SIM', '', false, 'en', 'text/plain', 'text',
			'', decode(repeat('31', 130), 'hex'), 'x' || (n % 20000), CASE WHEN n % 100 = 0 THEN 'outstanding' ELSE 'signed' END,
			CASE WHEN n % 100 = 0 THEN 0 ELSE 500 END, '', CASE WHEN n % 100 = 0 THEN NULL ELSE decode(repeat('30', 70), 'hex') END,
			n, 1000000 + n, CASE WHEN n % 100 = 0 THEN NULL ELSE n END FROM generate_series(1, 50000) n
		ON CONFLICT DO NOTHING`,
	`INSERT INTO outstanding (id, ap_instant, msisdn, method, expires) SELECT id, ap_instant, msisdn, method, expires FROM transactions WHERE state = 'outstanding' ON CONFLICT DO NOTHING`,
	`DELETE FROM transactions WHERE state = 'outstanding' AND id NOT IN (SELECT id FROM outstanding)`,
	`INSERT INTO receipts (trans_id, ap_instant, device_id, method, msisdn, lang, mime_type, text, created, expires, result, finished)
		SELECT 't' || n, n, 'd' || (n % 20000), 'SIM', 'm' || (n % 20000), 'en', 'text/plain', '', n, 1000000 + n,
			CASE WHEN n % 50 = 1 THEN '' ELSE 'OK' END, CASE WHEN n % 50 = 1 THEN NULL ELSE n END FROM generate_series(1, 49999) n WHERE n % 100 <> 0`,
}

// planned lists the statements that look for one row or a few, on behalf of a request,
// a phone or a command, with arguments that find some. The others read pages or
// lists, or purge.
var planned = map[*query]string{
	selectSubscriber: "'m1234'", selectDeviceOwner: "'d1234'", selectCertificate: "'x1234'", selectMSISDN: "'m1234'",
	blockPIN: "'d1234', true", voidConsent: "'a1234'", voidConsents: "'m1234'", endDevice: "'d1234', 'user', 0", selectActivation: "'d1234'", selectReopening: "'d1234'", reopenDevice: "'d1234'",
	selectSerialKnown: "'m1234'", nameSerial: "'m1234', NULL", endOthers: "'m1234', 'd1234', 'user', 0", activateDevice: "'d1234', 'EC', 'x1234'", selectRecovery: "'m1234'",
	selectCard: "'c1234'", selectCardsOf: "'m1234'", selectOtherCard: "'d1234', 'c1'", selectReplies: "'c1234'",
	takeCounter: "'c1234', 0", updateReplies: "'c1234', 1, 1", selectCardState: "'c1234'",
	selectApp: "'a1234'", selectAppID: "'a1234'", tryPasscode: `'a1234', '\x30', 5, ''`, resetTries: "'a1234', 3", deleteApp: "'a1234'",
	selectInvite: `'\x` + strings.Repeat("0", 60) + `0042', 0`, selectInviteOf: `'\x` + strings.Repeat("0", 60) + `0042', 'm66', 0`,
	consumeInvite: `'\x` + strings.Repeat("0", 60) + `0042', 'm66', 0`,
	selectConsent: "'m1234', 'activate_sim', 'a1234', 0", takeConsent: "'m1234', 'activate_sim', 'a1234', 0",
	selectNotices: "'m1234', 0", selectNoticeByCode: `'\x` + strings.Repeat("0", 60) + `0042', 0`, takeNotice: "'m1234', 'n1234', 0",
	selectRevoked: "'x2000'",
	selectUsed:    "'ap', 'a1234', 1234", selectBusy: "'m1200', 'SIM'", selectID: "'t1234'", selectTransaction: "'t1200'",
	finishTransaction:  "'t1200', 'failed', 401, '', NULL, '', 1, FALSE",
	answerTransaction:  `'t1200', 'failed', 401, '', NULL, '', 1, 'd1200', 'x1200', '\x31'`,
	succeedTransaction: `'t1300', 'signed', 500, '', '\x30', '', 1, 'd1300', 'x1300', '\x31'`,
	prepareTransaction: `'t1400', '\x31', 'x1400'`,
	markReceipted:      "'t1201'", selectState: "'t1201'", selectReceipt: "'t1201'", finishReceipt: "'t1251', 'OK', 1",
	selectSubscriberTransactions: "'m1200'", selectDeviceTransactions: "'d1200', 0", selectDeviceReceipts: "'d1251', 0",
	selectExpired: "1000300, 10",
}

// SQLite finds the rows of these statements by an index.
func TestPlansSQLite(t *testing.T) {
	s := open(t, t.TempDir()+"/test.db")
	for q := range planned {
		args := []any{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
		last := len(args)
		for !strings.Contains(q.text, fmt.Sprint("$", last)) {
			last--
		}
		rows, err := s.read.read.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+q.text, args[:last]...)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var id, parent, unused int
			var step string
			if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
				t.Fatal(err)
			}
			// This must not walk through all outstanding transactions.
			if strings.HasPrefix(step, "SCAN") || q == selectDeviceTransactions && strings.Contains(step, "transactions_outstanding") {
				t.Errorf("%s: %s", q.text, step)
			}
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Whatever the tables hold, and whether or not PostgreSQL has statistics yet, these
// statements do not read rows that they do not need. The plan is the generic one of a
// prepared statement that is used often.
func TestPlansPostgres(t *testing.T) {
	s := open(t, pgtest.URL(t))
	for _, fill := range planFill {
		if _, err := s.read.read.ExecContext(t.Context(), fill); err != nil {
			t.Fatal(err)
		}
	}
	for _, about := range []string{"without statistics", "with statistics"} {
		if about == "with statistics" {
			if _, err := s.read.read.ExecContext(t.Context(), "ANALYZE"); err != nil {
				t.Fatal(err)
			}
		}
		c, err := s.read.read.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		exec := func(text string) {
			t.Helper()
			if _, err := c.ExecContext(t.Context(), text); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
		}
		exec("SET LOCAL plan_cache_mode = force_generic_plan")
		n := 0
		for q, args := range planned {
			n++
			text := q.text
			if q.postgres != "" {
				text = q.postgres
			}
			exec(fmt.Sprintf("PREPARE q%d AS %s", n, text))
			exec("SAVEPOINT unchanged")
			var plan string
			if err := c.QueryRowContext(t.Context(), fmt.Sprintf("EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE q%d(%s)", n, args)).Scan(&plan); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			var nodes any
			if err := json.Unmarshal([]byte(plan), &nodes); err != nil {
				t.Fatal(err)
			}
			if n := rowsRead(nodes); n > 50 || n == 0 {
				t.Errorf("%s\n%s\nreads %.0f rows:\n%s", about, text, n, plan)
			}
			exec("ROLLBACK TO unchanged")
			exec(fmt.Sprintf("DEALLOCATE q%d", n))
		}
		if err := c.Rollback(); err != nil {
			t.Fatal(err)
		}
	}
}

// rowsRead sums the rows that the nodes of a plan returned or filtered out.
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
