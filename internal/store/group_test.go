package store

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/pgtest"
	"github.com/signum-mssp/signum/internal/store/storetest"
)

// onBoth runs a test on both engines.
func onBoth(t *testing.T, run func(t *testing.T, url string)) {
	t.Run("sqlite", func(t *testing.T) { run(t, filepath.Join(t.TempDir(), "test.db")) })
	t.Run("postgres", func(t *testing.T) { run(t, pgtest.URL(t)) })
}

func open(t *testing.T, url string, opts ...Option) *Store {
	t.Helper()
	s, err := Open(t.Context(), url, append([]Option{quiet, WithMigrations()}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// together makes the writes share a group and returns their answers.
func together(s *Store, writes ...*write) []error {
	s.queue.mu.Lock()
	for _, w := range writes {
		w.answer = make(chan error, 1)
	}
	for _, w := range writes {
		s.queue.waiting.PushBegun("", w, time.Now())
	}
	s.queue.mu.Unlock()
	s.queue.arrived.Signal()
	errs := make([]error, len(writes))
	for i, w := range writes {
		errs[i] = <-w.answer
	}
	return errs
}

func putParty(id string) *write {
	args, err := partyArgs(&mssp.Party{ID: id})
	if err != nil {
		panic(err)
	}
	return &write{first: upsertParty, args: args}
}

func wantParties(t *testing.T, s *Store, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if _, err := s.Party(t.Context(), id); err != nil {
			t.Errorf("party %s: %v", id, err)
		}
	}
}

// brokenValue panics on its way into a statement.
type brokenValue struct{}

func (brokenValue) Value() (driver.Value, error) { panic("broken") }

// A write that fails unexpectedly fails alone.
func TestBadWriteFailsAlone(t *testing.T) {
	failed := errors.New("failed")
	bad := map[string]func() *write{
		"constraint": func() *write {
			return &write{first: &query{text: `INSERT INTO parties (id) VALUES ($1)`}, args: []any{"bad"}}
		},
		"syntax": func() *write { return &write{first: &query{text: `INSERT nonsense`}} },
		"after writing": func() *write {
			w := putParty("bad")
			w.then = func(context.Context, *session, int64) error { return failed }
			return w
		},
		"panic": func() *write {
			w := putParty("bad")
			w.then = func(context.Context, *session, int64) error { panic("broken") }
			return w
		},
		"panic with an open query": func() *write {
			return &write{then: func(ctx context.Context, s *session, _ int64) error {
				return s.each(ctx, selectParty, []any{"panic with an open query before"}, func(*sql.Rows) error { panic("broken") })
			}}
		},
		"panic in the first statement": func() *write {
			return &write{first: &query{text: `DELETE FROM parties WHERE id = $1`}, args: []any{brokenValue{}}}
		},
	}
	onBoth(t, func(t *testing.T, url string) {
		var log bytes.Buffer
		s := open(t, url, WithLogger(slog.New(slog.NewTextHandler(&log, nil))), WithWriters(1))
		for name, bad := range bad {
			log.Reset()
			a, b := name+" before", name+" after"
			errs := together(s, putParty(a), bad(), putParty(b))
			if errs[0] != nil || errs[1] == nil || errs[2] != nil {
				t.Errorf("%s: %v", name, errs)
			}
			wantParties(t, s, a, b)
			if _, err := s.Party(t.Context(), "bad"); !errors.Is(err, mssp.ErrNotFound) {
				t.Errorf("%s: the failed write is there: %v", name, err)
			}
			if !bytes.Contains(log.Bytes(), []byte("one by one")) {
				t.Errorf("%s: the log says nothing: %s", name, log.Bytes())
			}
		}
		// No transaction was left open: it would hold the row.
		if err := s.PutParty(t.Context(), &mssp.Party{ID: "bad"}); err != nil {
			t.Errorf("a later write: %v", err)
		}
	})
}

// A writer that panics answers every write that it has taken, including those that
// joined the group while it was running.
func TestPanicAnswersAll(t *testing.T) {
	w := &writer{log: slog.New(slog.DiscardHandler)} // without a database it panics at once
	group := make([]*write, 3, 4)
	for i := range group {
		group[i] = &write{answer: make(chan error, 1)}
	}
	group[0].answer <- nil // answered before
	w.rescued(group[:2])
	if err := <-group[0].answer; err != nil {
		t.Error(err)
	}
	for i, op := range group[1:] {
		select {
		case err := <-op.answer:
			if err == nil {
				t.Errorf("write %d succeeded", i+1)
			}
		default:
			t.Errorf("write %d has no answer", i+1)
		}
	}
}

// A refusal does not roll back its group.
func TestRefusalKeepsGroup(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		var log bytes.Buffer
		s := open(t, url, WithLogger(slog.New(slog.NewTextHandler(&log, nil))), WithWriters(1))
		refused := putParty("b")
		refused.first = nil
		refused.then = func(context.Context, *session, int64) error { return refuse(mssp.ErrDuplicate) }
		errs := together(s, putParty("a"), refused, putParty("c"))
		if errs[0] != nil || errs[1] != mssp.ErrDuplicate || errs[2] != nil {
			t.Error(errs)
		}
		wantParties(t, s, "a", "c")
		if bytes.Contains(log.Bytes(), []byte("one by one")) {
			t.Errorf("the group was rolled back: %s", log.Bytes())
		}
	})
}

// A receipt in one group with refusals, with a signature that comes after it, and with
// a purge between its two statements.
func TestReceiptInGroup(t *testing.T) {
	sign := func(n int) *write {
		return &write{first: finishTransaction, args: []any{storetest.NewTransaction(n).ID, "signed", 500, "", []byte{1}, "", 7, false}}
	}
	receipt := func(n int) *write {
		return receiptWrite(&mssp.Receipt{TransID: storetest.NewTransaction(n).ID})
	}
	onBoth(t, func(t *testing.T, url string) {
		var log bytes.Buffer
		s, ctx := open(t, url, WithLogger(slog.New(slog.NewTextHandler(&log, nil))), WithWriters(1)), t.Context()
		for n := range 4 {
			if err := s.InsertTransaction(ctx, storetest.NewTransaction(n)); err != nil {
				t.Fatal(err)
			}
		}
		unknown := &write{first: activateDevice, args: []any{"none", "EC", nil}, then: func(ctx context.Context, s *session, n int64) error {
			return refuse(mssp.ErrNotFound)
		}}
		errs := together(s, putParty("a"), receipt(9), receipt(0), sign(1), receipt(1), receipt(1), receipt(2), sign(2), unknown, putParty("b"))
		want := []error{nil, mssp.ErrNotFound, mssp.ErrNotSigned, nil, nil, mssp.ErrReceipted, nil, nil, mssp.ErrNotFound, nil}
		for i := range want {
			if errs[i] != want[i] {
				t.Errorf("write %d: %v, want %v", i, errs[i], want[i])
			}
		}
		wantParties(t, s, "a", "b")
		for n, want := range []mssp.State{mssp.StateOutstanding, mssp.StateReceipted, mssp.StateReceipted} {
			tx, err := s.Transaction(ctx, storetest.NewTransaction(n).ID)
			if err != nil || tx.State != want {
				t.Errorf("%d: %v, want %s", n, err, want)
			}
			if _, err := s.Receipt(ctx, tx.ID); (err == nil) != (want == mssp.StateReceipted) {
				t.Errorf("receipt of %d: %v", n, err)
			}
		}

		var purged int
		purge := purging(purgeTransactions, time.UnixMicro(8), 10, &purged)
		errs = together(s, sign(3), receipt(3), purge, putParty("c"))
		if errs[0] != nil || errs[1] != nil || errs[2] != nil || errs[3] != nil || purged != 3 {
			t.Errorf("with a purge: %v, %d purged", errs, purged)
		}
		wantParties(t, s, "c")
		for n := 1; n <= 3; n++ {
			if _, err := s.Receipt(ctx, storetest.NewTransaction(n).ID); !errors.Is(err, mssp.ErrNotFound) {
				t.Errorf("receipt of %d: %v", n, err)
			}
		}
		if bytes.Contains(log.Bytes(), []byte("one by one")) {
			t.Errorf("a group was rolled back: %s", log.Bytes())
		}
	})
}

// If COMMIT fails, all writes of the group fail, and the next group works.
func TestCommitFails(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "test.db"))
	orphan := &write{then: func(ctx context.Context, s *session, _ int64) error {
		// The constraint is checked at COMMIT.
		if _, err := s.exec(ctx, &query{text: `PRAGMA defer_foreign_keys = 1`}); err != nil {
			return err
		}
		_, err := s.exec(ctx, insertDevice, "orphan", "+41790000000", "SIM", "ACTIVE", "EC", nil, false, "", "", nil)
		return err
	}}
	for i, err := range together(s, putParty("a"), orphan, putParty("b")) {
		if err == nil {
			t.Errorf("write %d was answered, but not committed", i)
		}
	}
	for _, id := range []string{"a", "b"} {
		if _, err := s.Party(t.Context(), id); !errors.Is(err, mssp.ErrNotFound) {
			t.Errorf("party %s: %v", id, err)
		}
	}
	if err := s.PutParty(t.Context(), &mssp.Party{ID: "later"}); err != nil {
		t.Errorf("a later write: %v", err)
	}
}

// Close completes the writes that wait and refuses later ones.
func TestCloseDrains(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		errs := make([]error, 200)
		var calls sync.WaitGroup
		for i := range errs {
			calls.Go(func() { errs[i] = s.InsertTransaction(context.Background(), storetest.NewTransaction(i)) })
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		calls.Wait()
		s = open(t, url)
		written := 0
		for i, err := range errs {
			_, rerr := s.Transaction(t.Context(), storetest.NewTransaction(i).ID)
			switch {
			case err == nil && rerr == nil:
				written++
			case errors.Is(err, ErrClosed) && errors.Is(rerr, mssp.ErrNotFound):
			default:
				t.Errorf("the answer was %v, the transaction is %v", err, rerr)
			}
		}
		t.Logf("%d of %d before Close", written, len(errs))
	})
}

// If a caller gives up while the writers are busy, its write is not made. If it gives
// up after a writer took the write, it waits for the result.
func TestWithdraw(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url, WithWriters(1))
		taken, release := make(chan bool), make(chan bool)
		ctx, cancel := context.WithCancel(t.Context())
		slow := make(chan error)
		w := putParty("taken")
		w.then = func(context.Context, *session, int64) error {
			close(taken)
			<-release
			return nil
		}
		go func() { slow <- s.write(ctx, w) }()
		<-taken
		late := make(chan error)
		go func() { late <- s.PutParty(ctx, &mssp.Party{ID: "late"}) }()
		for !s.waiting(1) {
			time.Sleep(time.Millisecond)
		}
		cancel()
		if err := <-late; !errors.Is(err, context.Canceled) {
			t.Errorf("a write that nobody took: %v", err)
		}
		close(release)
		if err := <-slow; err != nil {
			t.Errorf("a write that was taken: %v", err)
		}
		wantParties(t, s, "taken")
		if _, err := s.Party(t.Context(), "late"); !errors.Is(err, mssp.ErrNotFound) {
			t.Errorf("a write that was withdrawn: %v", err)
		}
	})
}

func (s *Store) waiting(n int) bool {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	return s.queue.waiting.Len() == n
}

// Writes move up in the queue without gaps or duplicates.
func TestQueueMove(t *testing.T) {
	q := newQueue(1)
	for i := range 10 {
		w := &write{args: []any{i}}
		w.taken.Store(i%3 == 0) // withdrawn
		q.add(w)
	}
	var got []any
	for {
		group := q.poll(0, nil, 2)
		if len(group) == 0 {
			break
		}
		for _, w := range group {
			got = append(got, w.args[0])
		}
	}
	if fmt.Sprint(got) != "[1 2 4 5 7 8]" {
		t.Error(got)
	}
}

// A group takes the writes of parties in turn, and of each party first those that end what
// it has begun.
func TestQueueIsFair(t *testing.T) {
	q := newQueue(1)
	for i := range 500 {
		q.add(&write{party: "flood", fresh: true, args: []any{fmt.Sprint("flood ", i)}})
	}
	q.add(&write{party: "flood", args: []any{"flood ends"}})
	q.add(&write{party: "small", fresh: true, args: []any{"small begins"}})
	var got []any
	for _, w := range q.poll(0, nil, 4) {
		got = append(got, w.args[0])
	}
	if fmt.Sprint(got) != "[flood ends small begins flood 0 flood 1]" {
		t.Error(got)
	}
}

// Writes of one row go to one writer, in their order; others go to any writer.
func TestQueueRows(t *testing.T) {
	q := newQueue(3)
	for i := range 300 {
		q.add(&write{row: fmt.Sprint(i % 20), args: []any{i}})
	}
	q.add(&write{args: []any{300}})
	q.close()
	owner, last := map[string]int{}, map[string]int{}
	n := 0
	for writer := range 3 {
		for group := q.take(writer, nil, 7); len(group) > 0; group = q.take(writer, nil, 7) {
			for _, w := range group {
				n++
				i := w.args[0].(int)
				if o, seen := owner[w.row]; w.row != "" && seen && (o != writer || i < last[w.row]) {
					t.Errorf("%d of row %s: writer %d after %d of writer %d", i, w.row, writer, last[w.row], o)
				}
				owner[w.row], last[w.row] = writer, i
			}
		}
	}
	if n != 301 {
		t.Errorf("%d of 301", n)
	}
}

// PostgreSQL: a row that another session has locked delays only its own write, and the
// store reconnects to a server that has closed all connections.
func TestPostgresLocksAndLosses(t *testing.T) {
	url := pgtest.URL(t)
	s := open(t, url)
	for i := range 3 {
		if err := s.InsertTransaction(t.Context(), storetest.NewTransaction(i)); err != nil {
			t.Fatal(err)
		}
	}
	other, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	tx, err := other.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec(`UPDATE transactions SET lang = 'fr' WHERE id = $1`, storetest.NewTransaction(1).ID); err != nil {
		t.Fatal(err)
	}
	go func() {
		time.Sleep(time.Second)
		tx.Commit()
	}()
	finish := func(i int) *write {
		return &write{first: finishTransaction, args: []any{storetest.NewTransaction(i).ID, "failed", 401, "", nil, "", 1, false}}
	}
	for i, err := range together(s, finish(0), finish(1), finish(2)) {
		if err != nil {
			t.Errorf("finish %d beside a locked row: %v", i, err)
		}
	}

	if _, err := other.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid()`); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := s.PutParty(t.Context(), &mssp.Party{ID: fmt.Sprint(i)}); err != nil {
			t.Errorf("write %d after the connections were lost: %v", i, err)
		}
		if _, err := s.Transaction(t.Context(), storetest.NewTransaction(i).ID); err != nil {
			t.Errorf("read %d after the connections were lost: %v", i, err)
		}
	}
}
