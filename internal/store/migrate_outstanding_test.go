package store

import (
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storetest"
)

// rowsOf18 has a transaction of each state, receipts and evidence.
const rowsOf18 = `
INSERT INTO transactions (id, ap_id, ap_trans_id, ap_instant, msisdn, msisdn_sent, device_id, method, profile, async, lang, mime_type,
    dtbd, services, signed_attrs, cert_serial, state, code, detail, signature, location, created, expires, finished, replaced) VALUES
    ('h1', 'p', 'T1', 7200000000, '+411', '1', 'd1', 'SIM', '', false, 'en', 'text/plain', 'one', '', NULL, '', 'outstanding', 0, '', NULL, '', 1, 99, NULL, false),
    ('h2', 'p', 'T2', 7200000000, '+411', '1', 'd2', 'App', '', false, 'en', 'text/plain', 'two', '', NULL, '', 'outstanding', 0, '', NULL, '', 1, 98, NULL, false),
    ('h3', 'p', 'T3', 7199999999, '+411', '1', 'd1', 'SIM', '', true, 'de', 'text/plain', 'three', '', CAST('a' AS bytea), 'c', 'signed', 500, '', CAST('s' AS bytea), '', 1, 99, 5, false),
    ('h4', 'p', 'T4', 1, '+411', '1', 'd1', 'App', '', false, 'en', 'text/plain', 'four', '', NULL, 'c', 'receipted', 500, '', CAST('s' AS bytea), '', 1, 99, 6, false),
    ('h5', 'p', 'T5', 2, '+411', '1', 'd1', 'SIM', '', false, 'en', 'text/plain', 'five', '', NULL, '', 'failed', 401, 'why', NULL, '', 1, 99, 7, true),
    ('h6', 'p', 'T6', 3, '+411', '1', 'd1', 'SMS', '', false, 'en', 'text/plain', 'six', '', NULL, '', 'delivered', 100, '', NULL, '', 1, 99, 8, false);
INSERT INTO receipts (trans_id, device_id, method, msisdn, lang, mime_type, text, created, expires, result, finished)
    VALUES ('h4', 'd1', 'App', '+411', 'en', 'text/plain', 'thanks', 6, 99, '', NULL);
INSERT INTO verifications (trans_id, evidence) VALUES ('h4', '{}');`

// Rows of version 18 are kept on both engines, and live on: an outstanding transaction
// ends, a signed one gets its receipt, a pending receipt its result.
func TestMigrationFrom18(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		old := openVersion(t, url, 18)
		if _, err := old.write.Exec(rowsOf18); err != nil {
			t.Fatal(err)
		}
		old.close()
		s, ctx := open(t, url), t.Context()
		at := time.UnixMicro(50)
		for id, want := range map[string]struct {
			state mssp.State
			code  signum.Code
			text  string
		}{
			"h1": {mssp.StateOutstanding, 0, "one"}, "h2": {mssp.StateOutstanding, 0, "two"}, "h3": {mssp.StateSigned, 500, "three"},
			"h4": {mssp.StateReceipted, 500, "four"}, "h5": {mssp.StateFailed, 401, "five"}, "h6": {"delivered", 100, "six"},
		} {
			got, err := s.Transaction(ctx, id)
			if err != nil || got.State != want.state || got.Outcome.Code != want.code || got.Text != want.text || got.Outcome.Replaced != (id == "h5") {
				t.Errorf("%s: %+v, %v", id, got, err)
			}
		}
		if ids, err := s.ExpiredTransactions(ctx, time.UnixMicro(99), 9); err != nil || len(ids) != 2 || ids[0] != "h2" {
			t.Errorf("expired: %v, %v", ids, err)
		}
		busy := storetest.NewTransaction(1)
		busy.MSISDN = "+411"
		if _, ok := s.InsertTransaction(ctx, busy).(*mssp.BusyError); !ok {
			t.Error("two requests at a time")
		}
		again := storetest.NewTransaction(2)
		again.APID, again.APTransID, again.APInstant = "p", "T3", time.UnixMicro(7199999999)
		if err := s.InsertTransaction(ctx, again); err != mssp.ErrDuplicate {
			t.Errorf("a call was taken twice: %v", err)
		}
		for _, want := range []bool{true, false} {
			if done, err := s.FinishTransaction(ctx, "h1", mssp.Outcome{Code: 208}, nil, at); done != want || err != nil {
				t.Error(done, err)
			}
			if done, err := s.FinishReceipt(ctx, "h4", signum.ReceiptAccepted, at); done != want || err != nil {
				t.Error(done, err)
			}
		}
		must(t, s.InsertTransaction(ctx, busy))
		must(t, s.InsertReceipt(ctx, &mssp.Receipt{TransID: "h3"}))
		if _, err := s.Verification(ctx, "h4"); err != nil {
			t.Errorf("evidence: %v", err)
		}
		if s.engine != postgres {
			return
		}
		// What there was is divided by hours, and ends like any other.
		wantPartitions(t, s, 3, 1)
		for id, want := range map[string]string{"h1": "19700101t020000", "h3": "19700101t010000", "h4": "19700101t000000"} {
			if got := partitionOf(t, s, "transactions", "id", id); got != "transactions_"+want {
				t.Errorf("%s is in %s", id, got)
			}
		}
		if got := partitionOf(t, s, "receipts", "trans_id", "h4"); got != "receipts_19700101t000000" {
			t.Errorf("the receipt is in %s", got)
		}
		must(t, s.MakePartitions(ctx, time.UnixMicro(7200000000), time.Hour))
		tx := calledAt(5, time.UnixMicro(3*3600e6))
		must(t, s.InsertTransaction(ctx, tx))
		if got := partitionOf(t, s, "transactions", "id", tx.ID); got != "transactions_19700101t030000" {
			t.Errorf("the next row is in %s", got)
		}
		for hours, want := range []int{0, 0, 1, 1, 0, 1} { // the last one waits for h2
			if n, err := s.DropPartitions(ctx, time.UnixMicro(int64(hours)*3600e6), time.Hour, 0, false); n != want || err != nil {
				t.Errorf("after %d hours: %d dropped, %v", hours, n, err)
			}
			if hours == 3 {
				_, err := s.FinishTransaction(ctx, "h2", mssp.Outcome{Code: 208}, nil, at)
				must(t, err)
			}
		}
		if _, err := s.Receipt(ctx, "h4"); err != mssp.ErrNotFound {
			t.Errorf("the receipt of a transaction that is gone: %v", err)
		}
	})
}
