package store

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storetest"
)

// rowsOf2 holds rows of schema version 2, of the tables that version 3 changes.
const rowsOf2 = `
INSERT INTO certificates VALUES ('1a', 'app', 'GOOD', NULL, CAST('der' AS bytea), 1, 2, NULL, 0);
INSERT INTO subscribers VALUES
    ('+41790000001', 'MIDCHE0000000001', 'ACTIVE', true),
    ('+41790000002', 'MIDCHE0000000002', 'INACTIVE', false);
INSERT INTO devices VALUES
    ('app', '+41790000001', 'App', 'ACTIVE', 'EC', '1a', true, ''),
    ('sim', '+41790000001', 'SIM', 'REGISTERED', '', NULL, false, '{"MCC":"228","MNC":"01","Name":"Swisscom"}');
INSERT INTO transactions VALUES
    ('h1', 'p', 'T1', 10, '+41790000001', '079', 'app', 'App', 'x', true, 'de', 'text/plain', 'Text', '{"validate":true}',
        CAST('attrs' AS bytea), '1a', 'outstanding', 0, '', NULL, '', 11, 92, NULL),
    ('h2', 'p', 'T2', 10, '+41790000001', '079', 'app', 'App', 'x', false, 'de', 'text/plain', 'Text', '',
        CAST('attrs' AS bytea), '1a', 'receipted', 500, '', CAST('sig' AS bytea), '', 10, 90, 13),
    ('h3', 'p', 'T3', 10, '+41790000001', '079', 'app', 'App', 'x', false, 'de', 'text/plain', 'Text', '',
        CAST('attrs' AS bytea), '1a', 'receipted', 500, '', CAST('sig' AS bytea), '', 9, 90, 13);
INSERT INTO receipts VALUES
    ('h2', 'app', 'App', '+41790000001', 'de', 'text/plain', 'Thanks', 14, 94, '', NULL),
    ('h3', 'app', 'App', '+41790000001', 'de', 'text/plain', 'Thanks', 14, 94, 'OK', 15);`

// Rows of version 2 are kept and can be changed like new ones.
func TestMigrationFrom2(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		old := openVersion(t, url, 2)
		rows := rowsOf2
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
		cert := &mssp.Certificate{Serial: "1a", DeviceID: "app", State: mssp.CertificateGood, DER: []byte("der"),
			NotBefore: at(1), NotAfter: at(2)}
		want := &mssp.Subscriber{MSISDN: "+41790000001", Serial: "MIDCHE0000000001", State: mssp.SubscriberActive,
			RecoveryCodeCreated: true,
			Devices: []mssp.Device{
				{ID: "app", Method: signum.App, State: signum.DeviceActive, KeyType: signum.EC, Certificate: cert, PINBlocked: true},
				{ID: "sim", Method: signum.SIM, State: signum.DeviceRegistered,
					Network: signum.Network{MCC: "228", MNC: "01", Name: "Swisscom"}},
			}}
		sub, err := s.Subscriber(ctx, want.MSISDN)
		same(want, sub, err)
		hash, err := s.RecoveryHash(ctx, want.MSISDN)
		same([]byte(nil), hash, err)
		if _, err := s.App(ctx, "app"); err != mssp.ErrNotFound {
			t.Errorf("an app that nobody enrolled: %v", err)
		}

		h1 := &mssp.Transaction{ID: "h1", APID: "p", APTransID: "T1", APInstant: at(10), MSISDN: want.MSISDN,
			MSISDNSent: "079", DeviceID: "app", Method: signum.App, Profile: "x", Async: true, Lang: "de",
			MimeType: signum.MimeText, Text: "Text", Services: mssp.ServiceOptions{Validate: true}, SignedAttrs: []byte("attrs"),
			CertSerial: "1a", Certificate: cert, State: mssp.StateOutstanding, Created: at(11), Expires: at(92)}
		h2 := &mssp.Receipt{TransID: "h2", DeviceID: "app", Method: signum.App, MSISDN: want.MSISDN, Lang: "de",
			MimeType: signum.MimeText, Text: "Thanks", Created: at(14), Expires: at(94)}
		transactions, receipts, err := s.DevicePending(ctx, "app", at(20))
		same([]*mssp.Transaction(nil), transactions, err) // its PIN is blocked
		tx, err := s.Transaction(ctx, "h1")
		same(h1, tx, err)
		same([]*mssp.Receipt{h2}, receipts, err)
		recent, err := s.RecentTransactions(ctx, want.MSISDN, 9)
		var ids []string
		for _, tx := range recent {
			ids = append(ids, tx.ID)
		}
		same([]string{"h1", "h2", "h3"}, ids, err)

		if err := s.SetRecoveryHash(ctx, "+41790000002", make([]byte, 32)); err != nil {
			t.Error(err)
		}
		if done, err := s.FinishReceipt(ctx, "h2", signum.ReceiptAccepted, at(21)); !done || err != nil {
			t.Error(done, err)
		}
		if n, err := s.PurgeTransactions(ctx, at(99), 9); n != 2 || err != nil {
			t.Error(n, err)
		}
	})
}

// The schema itself refuses an App without a device, a negative number of tries,
// hashes of a wrong length, a second invite, and a hash without a recovery code.
func TestSchemaOfApps(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url), t.Context()
		n := storetest.NewTransaction(1)
		if err := s.PutSubscriber(ctx, &mssp.Subscriber{MSISDN: n.MSISDN, State: mssp.SubscriberActive,
			Devices: []mssp.Device{{ID: "d", Method: signum.App, State: signum.DeviceActive}}}); err != nil {
			t.Fatal(err)
		}
		const app = `INSERT INTO apps VALUES ('d', $1, $1, $1, 0, '', '', '', '', '', 0, 0, '', '')`
		h := make([]byte, 32)
		run := func(statement string, arg any) error {
			args := []any{arg}
			if !strings.Contains(statement, "$1") {
				args = nil
			}
			return s.write(ctx, &write{first: &query{text: statement}, args: args})
		}
		for _, good := range []string{app, `INSERT INTO invites VALUES ('a', $1, false, 0, 0)`} {
			if err := run(good, h); err != nil {
				t.Fatal(err)
			}
		}
		for _, test := range []struct {
			statement string
			arg       any
			want      string
		}{
			{strings.Replace(app, "'d'", "'none'", 1), h, ""}, // SQLite does not name references
			{`UPDATE apps SET tries_left = -1`, nil, "apps_tries"},
			{`UPDATE apps SET verifier_hash = $1`, h[1:], "apps_verifier"},
			{`UPDATE subscribers SET recovery_hash = $1`, h, "subscribers_recovery"},
			{`UPDATE subscribers SET recovery_hash = $1, recovery_code = true`, h[1:], "subscribers_recovery"},
			{`INSERT INTO invites VALUES ('b', $1, false, 0, 0)`, h[1:], "invites_hash"},
			{`INSERT INTO invites VALUES ('b', $1, false, 0, 0)`, h, "invites"},
			{`INSERT INTO invites VALUES ('a', $1, false, 0, 0)`, append(h[1:], 1), "invites"},
		} {
			if err := run(test.statement, test.arg); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %v, want %s", test.statement, err, test.want)
			}
		}
	})
}
