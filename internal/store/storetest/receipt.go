package storetest

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// newReceipt returns a pending receipt of the nth transaction.
func newReceipt(n int) *mssp.Receipt {
	tx := NewTransaction(n)
	return &mssp.Receipt{
		TransID:  tx.ID,
		DeviceID: tx.DeviceID,
		Method:   tx.Method,
		MSISDN:   tx.MSISDN,
		Lang:     "de",
		MimeType: signum.MimeText,
		Text:     "Zahlung ausgeführt",
		Created:  after(10),
		Expires:  after(10).Add(signum.ReceiptWait),
	}
}

// sign inserts the nth transaction and finishes it with a signature.
func sign(t *testing.T, s mssp.Store, n int) *mssp.Transaction {
	t.Helper()
	tx := NewTransaction(n)
	insert(t, s, tx)
	finish(t, s, tx.ID, made(), after(5), true)
	tx.State, tx.Outcome, tx.Finished = mssp.StateSigned, made(), after(5)
	return tx
}

func insertReceipt(t *testing.T, s mssp.Store, r *mssp.Receipt) {
	t.Helper()
	if err := s.InsertReceipt(t.Context(), r); err != nil {
		t.Fatalf("receipt of %s: %v", r.TransID, err)
	}
}

func checkReceipt(t *testing.T, s mssp.Store, want *mssp.Receipt) {
	t.Helper()
	got, err := s.Receipt(t.Context(), want.TransID)
	if err != nil {
		t.Errorf("Receipt(%s): %v", want.TransID, err)
		return
	}
	same(t, want, got)
}

func noReceipt(t *testing.T, s mssp.Store, id string) {
	t.Helper()
	if _, err := s.Receipt(t.Context(), id); !errors.Is(err, mssp.ErrNotFound) {
		t.Errorf("Receipt(%s): %v, want ErrNotFound", id, err)
	}
}

func testReceipt(t *testing.T, d *database) {
	s := d.Store()
	noReceipt(t, s, "h000001")
	tx, other := sign(t, s, 1), sign(t, s, 2)
	noReceipt(t, s, tx.ID)

	want := newReceipt(1)
	want.MimeType = signum.MimeRSAMessage
	insertReceipt(t, s, want)
	checkReceipt(t, s, want)
	tx.State = mssp.StateReceipted
	same(t, tx, read(t, s, tx.ID))
	same(t, other, read(t, s, other.ID))
	noReceipt(t, s, other.ID)

	// The transaction has its end and its signature as before.
	finish(t, s, tx.ID, cancelled(), after(20), false)
	ended, err := s.EndedTransactions(t.Context(), []string{tx.ID})
	must(t, err)
	same(t, []string{tx.ID}, ended)

	again := newReceipt(1)
	again.Text = "another"
	if err := s.InsertReceipt(t.Context(), again); !errors.Is(err, mssp.ErrReceipted) {
		t.Errorf("a second receipt: %v", err)
	}
	checkReceipt(t, s, want)
	same(t, tx, read(t, s, tx.ID))

	s = d.Reopen()
	checkReceipt(t, s, want)
	same(t, tx, read(t, s, tx.ID))
}

// Pending receipts are listed when their time is up.
func testExpiredReceipts(t *testing.T, d *database) {
	s := d.Store()
	var ids []string
	for i := range 3 {
		sign(t, s, i)
		r := newReceipt(i)
		r.Expires = after(100 - i)
		insertReceipt(t, s, r)
		ids = append(ids, r.TransID)
	}
	list := func(at time.Time, limit int, want ...string) {
		t.Helper()
		got, err := s.ExpiredReceipts(t.Context(), at, limit)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%v, %v; want %v", got, err, want)
		}
	}
	list(after(97), 10)
	list(after(98), 10, ids[2])
	list(after(100), 10, ids[2], ids[1], ids[0])
	list(after(100), 2, ids[2], ids[1])
	list(after(100), 0)
	if _, err := s.FinishReceipt(t.Context(), ids[1], signum.ReceiptLost, after(101)); err != nil {
		t.Fatal(err)
	}
	list(after(102), 10, ids[2], ids[0])
}

func testReceiptText(t *testing.T, d *database) {
	s := d.Store()
	for i, text := range odd {
		sign(t, s, i)
		r := newReceipt(i)
		r.Text, r.Lang, r.MimeType, r.DeviceID, r.MSISDN, r.Method = text, text, text, text, text, signum.Method(text)
		insertReceipt(t, s, r)
		checkReceipt(t, s, r)
	}
}

// A receipt that is refused changes nothing.
func testReceiptRefused(t *testing.T, d *database) {
	s := d.Store()
	outstanding, failed, delivered := NewTransaction(1), NewTransaction(2), NewTransaction(3)
	insert(t, s, outstanding, failed, delivered)
	finish(t, s, failed.ID, cancelled(), after(5), true)
	failed.State, failed.Outcome, failed.Finished = mssp.StateFailed, cancelled(), after(5)
	finish(t, s, delivered.ID, sent(), after(5), true)
	delivered.State, delivered.Outcome, delivered.Finished = mssp.StateDelivered, sent(), after(5)
	signed := sign(t, s, 4)
	receipted := sign(t, s, 5)
	had := newReceipt(5)
	insertReceipt(t, s, had)
	receipted.State = mssp.StateReceipted

	bad := func(change func(*mssp.Receipt)) *mssp.Receipt {
		r := newReceipt(4)
		change(r)
		return r
	}
	for name, test := range map[string]struct {
		receipt *mssp.Receipt
		want    error // nil: any
	}{
		"no transaction": {newReceipt(99), mssp.ErrNotFound},
		"no key":         {&mssp.Receipt{TransID: "nul\x00"}, mssp.ErrNotFound},
		"a long key":     {&mssp.Receipt{TransID: strings.Repeat("0123456789", 100_000)}, mssp.ErrNotFound},
		"outstanding":    {newReceipt(1), mssp.ErrNotSigned},
		"failed":         {newReceipt(2), mssp.ErrNotSigned},
		"delivered":      {newReceipt(3), mssp.ErrNotSigned},
		"receipted":      {newReceipt(5), mssp.ErrReceipted},
		"with a result":  {bad(func(r *mssp.Receipt) { r.Result = signum.ReceiptAccepted }), nil},
		"finished":       {bad(func(r *mssp.Receipt) { r.Finished = start }), nil},
		"text":           {bad(func(r *mssp.Receipt) { r.Text = "nul\x00" }), nil},
		"language":       {bad(func(r *mssp.Receipt) { r.Lang = "\xff" }), nil},
		"MIME type":      {bad(func(r *mssp.Receipt) { r.MimeType = "\xff" }), nil},
		"device":         {bad(func(r *mssp.Receipt) { r.DeviceID = "\xff" }), nil},
		"MSISDN":         {bad(func(r *mssp.Receipt) { r.MSISDN = "\xff" }), nil},
		"method":         {bad(func(r *mssp.Receipt) { r.Method = "\xff" }), nil},
	} {
		err := s.InsertReceipt(t.Context(), test.receipt)
		if err == nil || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
	for _, tx := range []*mssp.Transaction{outstanding, failed, delivered, signed, receipted} {
		same(t, tx, read(t, s, tx.ID))
		if tx != receipted {
			noReceipt(t, s, tx.ID)
		}
	}
	checkReceipt(t, s, had)
	insertReceipt(t, s, newReceipt(4))
}

func testReceiptFinish(t *testing.T, d *database) {
	s := d.Store()
	swap := func(id string, result signum.ReceiptResult, at time.Time, want bool) {
		t.Helper()
		if got, err := s.FinishReceipt(t.Context(), id, result, at); err != nil || got != want {
			t.Errorf("FinishReceipt(%s, %s) = %v, %v, want %v", id, result, got, err, want)
		}
	}
	for i, result := range []signum.ReceiptResult{
		signum.ReceiptAccepted, signum.ReceiptCancelled, signum.ReceiptTimedOut, signum.ReceiptLost,
	} {
		tx := sign(t, s, i)
		swap(tx.ID, result, after(20), false) // none yet
		r := newReceipt(i)
		insertReceipt(t, s, r)
		for _, bad := range []signum.ReceiptResult{signum.ReceiptPending, "odd", "ok"} {
			if done, err := s.FinishReceipt(t.Context(), tx.ID, bad, after(20)); done || err == nil {
				t.Errorf("result %q: %v, %v", bad, done, err)
			}
		}
		checkReceipt(t, s, r)
		swap(tx.ID, result, after(30), true)
		r.Result, r.Finished = result, after(30)
		checkReceipt(t, s, r)
		swap(tx.ID, signum.ReceiptLost, after(40), false)
		checkReceipt(t, s, r)
		if got := read(t, s, tx.ID); got.State != mssp.StateReceipted || !got.Finished.Equal(after(5)) {
			t.Errorf("the result changed the transaction: %+v", got)
		}
	}
	swap("none", signum.ReceiptLost, after(1), false)
	swap("nul\x00", signum.ReceiptLost, after(1), false)
}

// Receipts are purged with their transactions, and not counted.
func testReceiptPurge(t *testing.T, d *database) {
	s := d.Store()
	for i := range 4 {
		sign(t, s, i)
	}
	kept := NewTransaction(9)
	insert(t, s, kept)
	finish(t, s, kept.ID, made(), after(50), true)
	for _, i := range []int{0, 1, 9} {
		insertReceipt(t, s, newReceipt(i))
	}
	if done, err := s.FinishReceipt(t.Context(), "h000000", signum.ReceiptAccepted, after(20)); !done || err != nil {
		t.Errorf("finish: %v, %v", done, err)
	}
	if n, err := s.PurgeTransactions(t.Context(), after(50), 10); n != 4 || err != nil {
		t.Errorf("purged %d, %v", n, err)
	}
	noReceipt(t, s, "h000000")
	noReceipt(t, s, "h000001")
	checkReceipt(t, s, newReceipt(9))
	if done, err := s.FinishReceipt(t.Context(), "h000001", signum.ReceiptAccepted, after(60)); done || err != nil {
		t.Errorf("the receipt of a purged transaction: %v, %v", done, err)
	}
	if err := s.InsertReceipt(t.Context(), newReceipt(1)); !errors.Is(err, mssp.ErrNotFound) {
		t.Errorf("a receipt for a purged transaction: %v", err)
	}
	sign(t, s, 1) // what was purged is forgotten
	insertReceipt(t, s, newReceipt(1))
}

func testRaceForReceipt(t *testing.T, d *database) {
	s := d.Store()
	for round := range 5 {
		sign(t, s, round)
		errs := make([]error, 20)
		race(len(errs), func(i int) {
			r := newReceipt(round)
			r.Created = after(i)
			errs[i] = s.InsertReceipt(t.Context(), r)
		})
		winner := -1
		for i, err := range errs {
			switch {
			case err == nil && winner >= 0:
				t.Error("two won")
			case err == nil:
				winner = i
			case !errors.Is(err, mssp.ErrReceipted):
				t.Errorf("loser got %v", err)
			}
		}
		want := newReceipt(round)
		want.Created = after(winner)
		checkReceipt(t, s, want)
	}
}

// A receipt that comes at the same time as the signature gets one of two answers, and
// the rows agree with it.
func testRaceOfReceiptAndSignature(t *testing.T, d *database) {
	s := d.Store()
	errs := make([]error, crowd)
	for i := range errs {
		insert(t, s, NewTransaction(i))
	}
	race(2*crowd, func(i int) {
		if i%2 == 0 {
			finish(t, s, NewTransaction(i/2).ID, made(), after(5), true)
		} else {
			errs[i/2] = s.InsertReceipt(t.Context(), newReceipt(i/2))
		}
	})
	for i, err := range errs {
		state := read(t, s, NewTransaction(i).ID).State
		switch {
		case err == nil && state == mssp.StateReceipted:
			checkReceipt(t, s, newReceipt(i))
		case errors.Is(err, mssp.ErrNotSigned) && state == mssp.StateSigned:
			noReceipt(t, s, NewTransaction(i).ID)
		default:
			t.Errorf("the answer was %v, the transaction is %s", err, state)
		}
	}
}

func testRaceToFinishReceipt(t *testing.T, d *database) {
	s := d.Store()
	for round := range 5 {
		tx := sign(t, s, round)
		insertReceipt(t, s, newReceipt(round))
		won := make([]bool, 20)
		race(len(won), func(i int) {
			var err error
			if won[i], err = s.FinishReceipt(t.Context(), tx.ID, signum.ReceiptAccepted, after(i)); err != nil {
				t.Errorf("finish: %v", err)
			}
		})
		want := newReceipt(round)
		for i := range won {
			if won[i] && want.Result != signum.ReceiptPending {
				t.Error("two won")
			}
			if won[i] {
				want.Result, want.Finished = signum.ReceiptAccepted, after(i)
			}
		}
		checkReceipt(t, s, want)
	}
}

// Whichever comes first, no receipt remains without its transaction.
func testRaceOfReceiptAndPurge(t *testing.T, d *database) {
	s := d.Store()
	errs := make([]error, crowd)
	for i := range errs {
		sign(t, s, i)
	}
	purged := make([]int, crowd/10)
	race(crowd+len(purged), func(i int) {
		var err error
		if i < crowd {
			errs[i] = s.InsertReceipt(t.Context(), newReceipt(i))
		} else if purged[i-crowd], err = s.PurgeTransactions(t.Context(), after(50), 5); err != nil {
			t.Errorf("purge: %v", err)
		}
	})
	left := crowd
	for _, n := range purged {
		left -= n
	}
	for i, err := range errs {
		tx, terr := s.Transaction(t.Context(), NewTransaction(i).ID)
		_, rerr := s.Receipt(t.Context(), NewTransaction(i).ID)
		gone := errors.Is(terr, mssp.ErrNotFound) && errors.Is(rerr, mssp.ErrNotFound)
		switch {
		case errors.Is(err, mssp.ErrNotFound) && gone:
		case err == nil && gone:
		case err == nil && terr == nil && rerr == nil && tx.State == mssp.StateReceipted:
			left--
		default:
			t.Errorf("receipt %d: the answer was %v; transaction %v, receipt %v", i, err, terr, rerr)
		}
	}
	if left != 0 {
		t.Errorf("%d transactions more went than were purged", left)
	}
}
