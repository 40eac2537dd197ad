package store

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/pgtest"
	"github.com/signum-mssp/signum/internal/store/storetest"
)

// rowsOf1 holds rows of schema version 1, of every table, state and method.
const rowsOf1 = `
INSERT INTO parties VALUES ('p', NULL, 'Bank: ', '[]', '["x"]', '', '[]', 'de');
INSERT INTO certificates VALUES
    ('1a', 'sim', 'GOOD', NULL, CAST('der' AS bytea), 1, 2, NULL, 0),
    ('1b', 'app', 'REVOKED', NULL, CAST('der' AS bytea), 1, 2, 3, 4),
    ('1c', 'app', 'INTENDED', CAST('tbs' AS bytea), NULL, 1, 2, NULL, 0);
INSERT INTO subscribers VALUES ('+41790000001', 'MIDCHE0000000001', 'ACTIVE');
INSERT INTO devices VALUES
    ('app', '+41790000001', 'App', 'REGISTERED', '', NULL),
    ('sim', '+41790000001', 'SIM', 'ACTIVE', 'EC', '1a');
INSERT INTO transactions VALUES
    ('h1', 'p', 'T1', 10, '+41790000001', '079', 'sim', 'SIM', true, 'de', 'text/plain', 'Text', CAST('attrs' AS bytea),
        '1a', 'outstanding', 0, '', NULL, 11, 12, NULL),
    ('h2', 'p', 'T2', 10, '+41790000001', '079', 'app', 'App', false, 'de', 'text/plain', 'Text', CAST('attrs' AS bytea),
        '1b', 'signed', 500, '', CAST('sig' AS bytea), 11, 12, 13),
    ('h3', 'p', 'T3', 10, '+41790000001', '079', 'sim', 'SIM', false, 'de', 'text/plain', 'Text', NULL,
        '', 'failed', 401, 'cancelled', NULL, 11, 12, 14);`

// openVersion creates the schema of an earlier version.
func openVersion(t *testing.T, url string, version int) *pools {
	t.Helper()
	p, err := openPools(t.Context(), url, &options{readers: 1, writers: 1, log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	upgrade(t, p, version)
	return p
}

// upgrade brings a database to a version.
func upgrade(t *testing.T, p *pools, version int) {
	t.Helper()
	if err := migratorOf(p, schema{latest.files, latest.list[:version]}).open(t.Context(), true); err != nil {
		t.Fatal(err)
	}
}

func migratorOf(p *pools, s schema) *migrator {
	return &migrator{pools: p, schema: s, limits: DefaultMigrationLimits, log: slog.New(slog.DiscardHandler)}
}

// Rows of version 1 are kept and mean the same.
func TestMigrationFrom1(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		old := openVersion(t, url, 1)
		rows := rowsOf1
		if old.engine == sqlite {
			rows = strings.ReplaceAll(rows, "AS bytea", "AS blob") // as the driver writes bytes
		}
		if _, err := old.write.Exec(rows); err != nil {
			t.Fatal(err)
		}
		old.close()
		s, ctx := open(t, url), t.Context()
		at := func(us int64) time.Time { return time.UnixMicro(us).UTC() }
		same := func(want, got any, err error) {
			t.Helper()
			if d := cmp.Diff(want, got); err != nil || d != "" {
				t.Errorf("%v: -want +got\n%s", err, d)
			}
		}
		party, err := s.Party(ctx, "p")
		same(&mssp.Party{ID: "p", DTBDPrefix: "Bank: ", Profiles: []string{"x"}, DefaultLang: "de", EncryptedReceipts: true}, party, err)

		sim := &mssp.Certificate{Serial: "1a", DeviceID: "sim", State: mssp.CertificateGood, DER: []byte("der"),
			NotBefore: at(1), NotAfter: at(2)}
		app := &mssp.Certificate{Serial: "1b", DeviceID: "app", State: mssp.CertificateRevoked, DER: []byte("der"),
			NotBefore: at(1), NotAfter: at(2), RevokedAt: at(3), Reason: 4}
		for _, want := range []*mssp.Certificate{sim, app,
			{Serial: "1c", DeviceID: "app", State: mssp.CertificateIntended, NotBefore: at(1), NotAfter: at(2)}} {
			got, err := s.Certificate(ctx, want.Serial)
			same(want, got, err)
		}
		// Its issuer was not recorded; the DER tells.
		revoked, err := s.RevokedCertificates(ctx, at(1))
		same([]mssp.Certificate{*app}, revoked, err)
		sub, err := s.Subscriber(ctx, "+41790000001")
		same(&mssp.Subscriber{MSISDN: "+41790000001", Serial: "MIDCHE0000000001", State: mssp.SubscriberActive,
			Devices: []mssp.Device{
				{ID: "app", Method: signum.App, State: signum.DeviceRegistered},
				{ID: "sim", Method: signum.SIM, State: signum.DeviceActive, KeyType: signum.EC, Certificate: sim},
			}}, sub, err)

		h1 := &mssp.Transaction{ID: "h1", APID: "p", APTransID: "T1", APInstant: at(10), MSISDN: "+41790000001",
			MSISDNSent: "079", DeviceID: "sim", Method: signum.SIM, Profile: signum.ProfileSTK, Async: true, Lang: "de",
			MimeType: signum.MimeText, Text: "Text", SignedAttrs: []byte("attrs"), CertSerial: "1a", Certificate: sim,
			State: mssp.StateOutstanding, Created: at(11), Expires: at(12)}
		h2, h3 := *h1, *h1
		h2.ID, h2.APTransID, h2.DeviceID, h2.Method, h2.Profile = "h2", "T2", "app", signum.App, signum.ProfileDevice
		h2.Async, h2.CertSerial, h2.Certificate, h2.State, h2.Finished = false, "1b", app, mssp.StateSigned, at(13)
		h2.Outcome = mssp.Outcome{Code: signum.SignatureMade, Signature: []byte("sig")}
		h3.ID, h3.APTransID, h3.Async, h3.SignedAttrs = "h3", "T3", false, nil
		h3.CertSerial, h3.Certificate, h3.State, h3.Finished = "", nil, mssp.StateFailed, at(14)
		h3.Outcome = mssp.Outcome{Code: signum.UserCancel, Detail: "cancelled"}
		for _, want := range []*mssp.Transaction{h1, &h2, &h3} {
			got, err := s.Transaction(ctx, want.ID)
			same(want, got, err)
		}

		// They can be changed like new rows.
		busy := storetest.NewTransaction(1)
		busy.MSISDN = h1.MSISDN
		if err := s.InsertTransaction(ctx, busy); err == nil {
			t.Error("the old transaction is in nobody's way")
		}
		used, err := s.TransactionUsed(ctx, "p", "T3", at(10))
		same(true, used, err)
		if err := s.InsertReceipt(ctx, &mssp.Receipt{TransID: "h2"}); err != nil {
			t.Error(err)
		}
		expired, err := s.ExpiredTransactions(ctx, at(12), 10)
		same([]string{"h1"}, expired, err)
		n, err := s.PurgeTransactions(ctx, at(99), 10)
		same(2, n, err)
	})
}

// On PostgreSQL the recreated tables have the storage parameters of version 1.
func TestPostgresMigratedStorage(t *testing.T) {
	const columns = `
SELECT a.attname || ' ' || a.attstorage::text || ' ' || COALESCE(c.collname, '-') || ' ' || COALESCE(array_to_string(t.reloptions, ','), '-')
FROM pg_attribute a JOIN pg_class t ON t.oid = a.attrelid LEFT JOIN pg_collation c ON c.oid = a.attcollation
WHERE t.relname = $1 AND a.attname = ANY ($2) ORDER BY a.attname`
	list := func(p *pools, table string, names ...string) string {
		t.Helper()
		rows, err := p.write.Query(columns, table, names)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var all []string
		for rows.Next() {
			var one string
			if err := rows.Scan(&one); err != nil {
				t.Fatal(err)
			}
			all = append(all, one)
		}
		return strings.Join(all, "\n")
	}
	p := openVersion(t, pgtest.URL(t), 1)
	names := []string{"id", "ap_id", "ap_trans_id", "msisdn", "method", "lang", "dtbd", "signature", "signed_attrs"}
	want := list(p, "transactions", names...)
	upgrade(t, p, latest.newest())
	// A partitioned table has no options of its own.
	want = strings.ReplaceAll(want, "toast_tuple_target=8160", "fillfactor=75,toast_tuple_target=8160")
	if got := list(p, "transactions_default", names...); got != want {
		t.Errorf("columns are kept as\n%s\nbefore\n%s", got, want)
	}
	if got := list(p, "receipts_default", "trans_id"); got != "trans_id x C fillfactor=75" {
		t.Errorf("receipts: %s", got)
	}
}

// The schema itself refuses states that contradict each other, and names the
// constraint.
func TestSchemaConstraints(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		if err := s.InsertTransaction(t.Context(), storetest.NewTransaction(1)); err != nil {
			t.Fatal(err)
		}
		const end = `UPDATE transactions SET finished = 1, `
		receipt := `INSERT INTO receipts (trans_id, device_id, method, msisdn, lang, mime_type, text, created, expires, result, finished)
			VALUES ('h000001', '', '', '', '', '', '', 1, 2, `
		if s.engine == postgres {
			receipt = strings.NewReplacer("(trans_id", "(ap_instant, trans_id", "('h", "(1, 'h").Replace(receipt)
		}
		for _, test := range []struct{ statement, want string }{
			{end + `state = 'odd', code = 1`, "transactions_states"},
			{`UPDATE transactions SET finished = 1`, "transactions_unfinished"},
			{`UPDATE transactions SET code = 401`, "transactions_codeless"},
			{`UPDATE transactions SET state = 'failed', code = 401`, "transactions_unfinished"},
			{end + `state = 'failed'`, "transactions_codeless"},
			{end + `state = 'failed', code = 500`, "transactions_success"},
			{end + `state = 'signed', code = 401, signature = CAST('s' AS bytea)`, "transactions_success"},
			{end + `state = 'receipted', code = 401, signature = CAST('s' AS bytea)`, "transactions_success"},
			{end + `state = 'signed', code = 500`, "transactions_signature"},
			{end + `state = 'receipted', code = 500`, "transactions_signature"},
			{end + `state = 'failed', code = 401, signature = CAST('s' AS bytea)`, "transactions_signature"},
			{end + `state = 'delivered', code = 401`, "transactions_delivery"},
			{end + `state = 'failed', code = 100`, "transactions_delivery"},
			{receipt + `'odd', 1)`, "receipts_results"},
			{receipt + `'OK', NULL)`, "receipts_pending"},
			{receipt + `'', 1)`, "receipts_pending"},
		} {
			err := s.write(t.Context(), &write{first: &query{text: test.statement}})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %v, want %s", test.statement, err, test.want)
			}
		}
		if s.engine == postgres {
			return // a foreign key would have to name the time as well
		}
		err := s.write(t.Context(), &write{first: &query{text: strings.Replace(receipt, "h000001", "none", 1) + `'', NULL)`}})
		if err == nil {
			t.Error("a receipt of no transaction was taken")
		}
	})
}

// Text that is not JSON is an error that says where it is.
func TestDamagedJSON(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url), t.Context()
		for _, n := range []int{1, 2} {
			if err := s.InsertTransaction(ctx, storetest.NewTransaction(n)); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.PutParty(ctx, &mssp.Party{ID: "p"}); err != nil {
			t.Fatal(err)
		}
		for _, statement := range []string{
			`UPDATE transactions SET services = '{' WHERE id = 'h000001'`,
			`UPDATE transactions SET location = '[]' WHERE id = 'h000002'`,
			`UPDATE parties SET geofence = 'x'`,
		} {
			if err := s.write(ctx, &write{first: &query{text: statement}}); err != nil {
				t.Fatal(err)
			}
		}
		for want, read := range map[string]func() error{
			"transaction h000001 cannot be read: services": func() error { _, err := s.Transaction(ctx, "h000001"); return err },
			"transaction h000002 cannot be read: location": func() error { _, err := s.Transaction(ctx, "h000002"); return err },
			"party p cannot be read: geofence":             func() error { _, err := s.Party(ctx, "p"); return err },
		} {
			if err := read(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %s", err, want)
			}
		}
	})
}
