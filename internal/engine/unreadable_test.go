package engine

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/engine/phonetest"
	"github.com/signum-mssp/signum/internal/mssp"
)

// newerStore reads what a newer version wrote into a member that the store below
// does not know.
type newerStore struct{ mssp.Store }

func (s newerStore) Transaction(ctx context.Context, id string) (*mssp.Transaction, error) {
	t, err := s.Store.Transaction(ctx, id)
	var bad *mssp.RowError
	if errors.As(err, &bad) {
		return bad.Transaction, nil
	}
	return t, err
}

// damage writes into a transaction, as a newer version might, a member of a type that
// this version does not know.
func damage(t *testing.T, url, id string) {
	t.Helper()
	driver, source := "pgx", url
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		driver, source = "sqlite", "file:"+path+"?_pragma=busy_timeout(10000)"
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	r, err := db.ExecContext(t.Context(), `UPDATE transactions SET services = '{"validate":{"how":"new"}}' WHERE id = $1`, id)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := r.RowsAffected(); n != 1 || err != nil {
		t.Fatalf("%d rows, %v", n, err)
	}
}

// An older node starts, sweeps and polls although there is a transaction that only a
// newer node can read. The newer node answers it. If it is not answered, the older
// node ends it with 208.
func TestUnreadableTransaction(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		newer := newWorld(t, url, nil)
		newer.cfg.Store = newerStore{newer.store}
		user := newer.addUser(1, silent, signum.EC, signum.SIM)
		late := newer.addUser(2, silent, signum.EC, signum.SIM)
		plain := newer.addUser(3, silent, signum.EC, signum.SIM)
		answered, overdue, readable := newer.begin(user), newer.begin(late), newer.begin(plain)
		for _, id := range []string{answered, overdue} {
			damage(t, url, id)
		}

		older := newWorld(t, url, newer)
		for _, s := range []*mssp.Subscriber{user, late, plain} {
			older.addPhones(s, silent)
		}
		older.run()
		older.awaitShown(readable) // recovery has reached the last one
		waiting := make(chan error, 1)
		other := newer.addUser(4, silent, signum.EC, signum.SIM)
		older.addPhones(other, silent)
		go func() {
			_, err := older.ask(other)
			waiting <- err
		}()
		select {
		case <-older.shown:
		case <-time.After(patience):
			t.Fatal("the request on the older node was never shown")
		}
		if c := older.outcome(answered); c != signum.OutstandingTransact {
			t.Errorf("the older node says %d of a transaction that it cannot read", c)
		}

		d, err := newer.phones.Device(user.Devices[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		a, err := d.Act(answered, phonetest.Approve)
		if err != nil {
			t.Fatal(err)
		}
		if err := newer.Answer(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		if c := newer.outcome(answered); c != signum.SignatureMade {
			t.Errorf("answered by the newer node: %d", c)
		}

		newer.clock.Advance(10 * time.Minute)
		for _, id := range []string{overdue, readable} {
			if c := older.await(id); c != signum.ExpiredTransaction {
				t.Errorf("overdue: %d", c)
			}
		}
		if err := <-waiting; older.code(err) != signum.ExpiredTransaction {
			t.Errorf("a request on the older node: %v", err)
		}
		// The subscriber of a transaction that cannot be read is free again.
		newer.begin(late)
	})
}
