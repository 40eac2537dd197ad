package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

func testTransaction(t *testing.T, d *database) {
	s := d.Store()
	want := NewTransaction(1)
	insert(t, s, want)
	got, err := s.Transaction(t.Context(), want.ID)
	must(t, err)
	same(t, want, got)
	if got.Certificate != nil {
		t.Error("a certificate that does not exist was joined in")
	}
	if _, err := s.Transaction(t.Context(), "none"); !errors.Is(err, mssp.ErrNotFound) {
		t.Errorf("unknown transaction: %v", err)
	}
	used := func(apID, transID string, at time.Time, want bool) {
		t.Helper()
		if got, err := s.TransactionUsed(t.Context(), apID, transID, at); err != nil || got != want {
			t.Errorf("TransactionUsed(%s, %s, %v) = %v, %v", apID, transID, at, got, err)
		}
	}
	used(want.APID, want.APTransID, want.APInstant, true)
	used(want.APID, want.APTransID, want.APInstant.UTC(), true)
	used(want.APID, want.APTransID, want.APInstant.Add(time.Microsecond), false)
	used(want.APID, want.APTransID+"x", want.APInstant, false)
	used(want.APID+"x", want.APTransID, want.APInstant, false)
}

func testTransactionEnded(t *testing.T, d *database) {
	s := d.Store()
	for i, o := range []mssp.Outcome{made(), cancelled(), {Code: signum.OTAError}} {
		want := NewTransaction(i)
		want.MSISDN = "+41790000000" // transactions that have ended do not make it busy
		want.Outcome, want.State, want.Finished = o, o.FinalState(), after(i)
		insert(t, s, want)
		same(t, want, read(t, s, want.ID))
		finish(t, s, want.ID, cancelled(), after(10), false)
		same(t, want, read(t, s, want.ID))
	}
}

func testTransactionCertificate(t *testing.T, d *database) {
	s := d.Store()
	cert := issue(t, s, newCertificate(1, "sim-1"))
	want := NewTransaction(1)
	insert(t, s, want)
	want.Certificate = cert
	got, err := s.Transaction(t.Context(), want.ID)
	must(t, err)
	same(t, want, got)
	list, err := s.OutstandingTransactions(t.Context(), start, "", 10)
	must(t, err)
	same(t, []*mssp.Transaction{want}, list)

	must(t, s.RevokeCertificate(t.Context(), cert.Serial, after(1), 4))
	got, err = s.Transaction(t.Context(), want.ID)
	must(t, err)
	if got.Certificate.State != mssp.CertificateRevoked || !got.Certificate.RevokedAt.Equal(after(1)) || got.Certificate.Reason != 4 {
		t.Errorf("the revocation is not joined in: %+v", got.Certificate)
	}
}

func testTransactionDuplicate(t *testing.T, d *database) {
	s := d.Store()
	first := NewTransaction(1)
	insert(t, s, first)
	second := NewTransaction(2)
	second.APTransID = first.APTransID
	refused := func(tx *mssp.Transaction) {
		t.Helper()
		if err := s.InsertTransaction(t.Context(), tx); !errors.Is(err, mssp.ErrDuplicate) {
			t.Errorf("got %v, want ErrDuplicate", err)
		}
		if _, err := s.Transaction(t.Context(), tx.ID); !errors.Is(err, mssp.ErrNotFound) {
			t.Errorf("a refused transaction is there: %v", err)
		}
	}
	refused(second)
	second.MSISDN = first.MSISDN // busy as well
	refused(second)
	second.State, second.Outcome, second.Finished = mssp.StateFailed, cancelled(), after(1)
	refused(second)

	finish(t, s, first.ID, cancelled(), after(1), true)
	refused(second)

	second.APInstant = second.APInstant.Add(time.Microsecond)
	insert(t, s, second)
	third := NewTransaction(3)
	third.APTransID, third.APID = first.APTransID, "http://other.example"
	insert(t, s, third)

	same := *third
	same.APTransID, same.MSISDN = "new", "+41791111111"
	err := s.InsertTransaction(t.Context(), &same)
	var busy *mssp.BusyError
	if err == nil || errors.Is(err, mssp.ErrDuplicate) || errors.As(err, &busy) {
		t.Errorf("an MSSP_TransID that exists: %v", err)
	}
}

func testTransactionBusy(t *testing.T, d *database) {
	s := d.Store()
	first := NewTransaction(1)
	insert(t, s, first)
	second := NewTransaction(2)
	second.MSISDN = first.MSISDN
	wantBusy(t, s.InsertTransaction(t.Context(), second), first.ID)
	if _, err := s.Transaction(t.Context(), second.ID); !errors.Is(err, mssp.ErrNotFound) {
		t.Errorf("a refused transaction is there: %v", err)
	}
	if used, err := s.TransactionUsed(t.Context(), second.APID, second.APTransID, second.APInstant); used || err != nil {
		t.Errorf("a refused transaction is used: %v, %v", used, err)
	}
	app := NewTransaction(3)
	app.MSISDN, app.Method = first.MSISDN, signum.App
	insert(t, s, app)

	finish(t, s, first.ID, made(), after(1), true)
	insert(t, s, second)
	wantBusy(t, s.InsertTransaction(t.Context(), func() *mssp.Transaction {
		tx := NewTransaction(4)
		tx.MSISDN = first.MSISDN
		return tx
	}()), second.ID)
}

func wantBusy(t *testing.T, err error, with string) {
	t.Helper()
	var busy *mssp.BusyError
	if !errors.As(err, &busy) || busy.TransID != with {
		t.Errorf("got %v, want busy with %s", err, with)
	}
}

func testTransactionInconsistent(t *testing.T, d *database) {
	s := d.Store()
	tests := map[string]func(*mssp.Transaction){
		"finished":             func(tx *mssp.Transaction) { tx.Finished = start },
		"never finished":       func(tx *mssp.Transaction) { tx.State, tx.Outcome = mssp.StateFailed, cancelled() },
		"no such state":        func(tx *mssp.Transaction) { tx.State, tx.Outcome, tx.Finished = "odd", cancelled(), start },
		"no code":              func(tx *mssp.Transaction) { tx.State, tx.Finished = mssp.StateFailed, start },
		"signed, no signature": func(tx *mssp.Transaction) { tx.State, tx.Outcome.Code, tx.Finished = mssp.StateSigned, 500, start },
		"signed, cancel": func(tx *mssp.Transaction) {
			tx.State, tx.Outcome, tx.Finished = mssp.StateSigned, cancelled(), start
		},
		"failed, with a signature": func(tx *mssp.Transaction) { tx.State, tx.Outcome, tx.Finished = mssp.StateFailed, made(), start },
	}
	n := 0
	for name, change := range tests {
		n++
		tx := NewTransaction(n)
		change(tx)
		if err := s.InsertTransaction(t.Context(), tx); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	insert(t, s, NewTransaction(0))
	for _, o := range []mssp.Outcome{{}, {Code: signum.SignatureMade}, {Code: signum.UserCancel, Signature: []byte{1}}, replaced(),
		{Code: signum.OTAError, Replaced: true}} {
		if done, err := s.FinishTransaction(t.Context(), "h000000", o, By(NewTransaction(0)), start); done || err == nil {
			t.Errorf("outcome %+v: %v, %v", o, done, err)
		}
	}
	same(t, NewTransaction(0), read(t, s, "h000000"))
}

func testFinish(t *testing.T, d *database) {
	s := d.Store()
	for i, o := range []mssp.Outcome{made(), cancelled(), {Code: signum.InvalidSignature, Detail: "ungültig"}, replaced()} {
		tx := NewTransaction(i)
		insert(t, s, tx)
		finish(t, s, tx.ID, o, after(3), true)
		tx.State, tx.Outcome, tx.Finished = o.FinalState(), o, after(3)
		same(t, tx, read(t, s, tx.ID))
		finish(t, s, tx.ID, made(), after(4), false)
		finish(t, s, tx.ID, cancelled(), after(4), false)
		same(t, tx, read(t, s, tx.ID))
	}
	finish(t, s, "none", made(), after(4), false)
}

// A transaction cannot succeed once its certificate is revoked, but it can end in any
// other way.
func testFinishRevoked(t *testing.T, d *database) {
	s := d.Store()
	c := issue(t, s, newCertificate(0, "sim-0"))
	tx := NewTransaction(0)
	insert(t, s, tx)
	must(t, s.RevokeCertificate(t.Context(), c.Serial, after(1), 1))
	finish(t, s, tx.ID, made(), after(2), false)
	same(t, tx, read(t, s, tx.ID))
	o := mssp.Failed(signum.NewFault(signum.RevokedCertificate))
	finish(t, s, tx.ID, o, after(3), true)
	tx.State, tx.Outcome, tx.Finished = mssp.StateFailed, o, after(3)
	same(t, tx, read(t, s, tx.ID))
}

func testExpired(t *testing.T, d *database) {
	s := d.Store()
	for i, expires := range []int{30, 10, 40, 20, 10} {
		tx := NewTransaction(i)
		tx.Expires = after(expires)
		insert(t, s, tx)
	}
	check := func(now time.Time, limit int, want ...string) {
		t.Helper()
		got, err := s.ExpiredTransactions(t.Context(), now, limit)
		must(t, err)
		if len(got) > 1 && got[0] > got[1] { // these two expire together
			got[0], got[1] = got[1], got[0]
		}
		same(t, want, got)
	}
	check(after(9), 10)
	check(after(10).Add(-time.Microsecond), 10)
	check(after(10), 10, "h000001", "h000004")
	check(after(99), 10, "h000001", "h000004", "h000003", "h000000", "h000002")
	check(after(99), 3, "h000001", "h000004", "h000003")
	check(after(99), 0)
	finish(t, s, "h000003", cancelled(), after(20), true)
	check(after(30), 10, "h000001", "h000004", "h000000")
}

func testOutstanding(t *testing.T, d *database) {
	s := d.Store()
	var all []*mssp.Transaction
	for i, id := range []string{"b", "a", "B", "_x", "a-1", "a.1", "a1", "aB", "é", "ended", "expired"} {
		tx := NewTransaction(i)
		tx.ID, tx.APInstant = id, after(-i) // in another order than the IDs
		if id == "expired" {
			tx.Expires = after(1)
		}
		insert(t, s, tx)
		if id != "ended" && id != "expired" {
			all = append(all, tx)
		}
	}
	finish(t, s, "ended", made(), start, true)
	slices.SortFunc(all, func(a, b *mssp.Transaction) int { return compare(a.ID, b.ID) })
	var got []*mssp.Transaction
	for last := ""; ; last = got[len(got)-1].ID {
		page, err := s.OutstandingTransactions(t.Context(), after(1), last, 2)
		must(t, err)
		if len(page) > 2 {
			t.Fatalf("%d transactions in a page of 2", len(page))
		}
		if len(page) == 0 {
			break
		}
		got = append(got, page...)
	}
	same(t, all, got)
	got, err := s.OutstandingTransactions(t.Context(), after(1), "", 100)
	must(t, err)
	same(t, all, got)
}

// compare compares IDs byte by byte.
func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func testEnded(t *testing.T, d *database) {
	s := d.Store()
	insert(t, s, NewTransaction(1), NewTransaction(2), NewTransaction(3), NewTransaction(4))
	finish(t, s, "h000002", made(), start, true)
	finish(t, s, "h000003", cancelled(), start, true)
	got, err := s.EndedTransactions(t.Context(), []string{"h000001", "h000002", "h000003", "h000004", "none", `q"'\{}`, ""})
	must(t, err)
	slices.Sort(got)
	same(t, []string{"", "h000002", "h000003", "none", `q"'\{}`}, got)
	got, err = s.EndedTransactions(t.Context(), nil)
	must(t, err)
	same(t, []string(nil), got)

	many := make([]string, 5000)
	for i := range many {
		many[i] = fmt.Sprintf("h%06d", i)
	}
	got, err = s.EndedTransactions(t.Context(), many)
	must(t, err)
	if len(got) != len(many)-2 {
		t.Errorf("%d of %d ended", len(got), len(many))
	}
}

func testPurge(t *testing.T, d *database) {
	s := d.Store()
	for i, finished := range []int{30, 10, 40, 20, 0} {
		insert(t, s, NewTransaction(i))
		if finished > 0 {
			finish(t, s, NewTransaction(i).ID, made(), after(finished), true)
		}
	}
	purge := func(before time.Time, limit, want int) {
		t.Helper()
		if n, err := s.PurgeTransactions(t.Context(), before, limit); err != nil || n != want {
			t.Errorf("purged %d, %v, want %d", n, err, want)
		}
	}
	purge(after(10), 10, 0) // before, not at
	purge(after(99), 0, 0)
	purge(after(99), 1, 1)
	if _, err := s.Transaction(t.Context(), "h000001"); !errors.Is(err, mssp.ErrNotFound) {
		t.Errorf("the oldest was not purged first: %v", err)
	}
	purge(after(40), 10, 2)
	read(t, s, "h000002")
	purge(after(99), 10, 1)
	purge(after(99), 10, 0)
	read(t, s, "h000004") // outstanding ones stay
	again := NewTransaction(1)
	again.ID = "again" // what was purged is forgotten
	insert(t, s, again)
}
