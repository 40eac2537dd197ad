//go:build linux

package faults

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/pgtest"
	"github.com/signum-mssp/signum/internal/testkit"
)

// The primary of the database dies, or its machine hangs, while users sign at two nodes, and its
// synchronous replica is promoted: what a party was told is there, a user who is being asked
// answers afterwards, and nothing is shown twice.
func TestFailover(t *testing.T) {
	t.Parallel()
	t.Run("killed", func(t *testing.T) { failOver(t, (*pgtest.Server).Kill) })
	t.Run("frozen", func(t *testing.T) { failOver(t, (*pgtest.Server).Freeze) })
}

func failOver(t *testing.T, end func(primary *pgtest.Server)) {
	t.Parallel()
	if _, err := pgtest.Binaries(); err != nil {
		testkit.Missing(t, "%v; run make deps", err)
	}
	primary, err := pgtest.NewServer(t.Context(), new(testkit.Buffer), "max_wal_senders=4")
	if err != nil {
		t.Fatal(err)
	}
	remove(t, primary)
	replica, err := primary.Replica(t.Context(), new(testkit.Buffer))
	if err != nil {
		t.Fatal(err)
	}
	remove(t, replica)
	const users, asked = 6, 2 // the last ones are asked before, and answer afterwards
	a := newWorld(t, pgtest.Both(primary, replica), users)
	b := a.another()
	both := []*world{a, b}
	before := [asked]int{}
	var waiting [asked]*call
	for i := range asked {
		msisdn := number(users - asked + i)
		before[i] = a.shown.count(msisdn)
		waiting[i] = a.asked(msisdn, long)
	}

	var done, failed atomic.Int32
	var answered sync.Map // IDs of transactions
	var promoted atomic.Bool
	var signers sync.WaitGroup
	for i := range users - asked {
		signers.Go(func() {
			for n, signed := 0, 0; signed < 3; n++ { // after the promotion
				last := promoted.Load()
				r := a.request(number(i), long)
				res := both[(i+n)%2].do(r)
				switch f := signum.AsFault(res.err); {
				case res.err == nil && last:
					signed++
				case res.err == nil:
				case f.Code == signum.InternalError, f.Code == signum.PBSignatureProcess:
					// A commit of unknown fate, and the phone that is still busy with it.
					failed.Add(1)
				default:
					t.Errorf("user %d: %v", i, res.err)
					return
				}
				if res.err == nil {
					answered.Store(res.resp.TransID, true)
				}
				done.Add(1)
			}
		})
	}
	a.eventually("users sign", func() bool { return done.Load() > 20 })
	end(primary)
	if err := replica.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	promoted.Store(true)
	signers.Wait()
	t.Logf("%d calls, of which %d failed", done.Load(), failed.Load())

	for id := range answered.Range {
		if tx, err := b.node.Store.Transaction(t.Context(), id.(string)); err != nil || tx.State != mssp.StateSigned {
			t.Errorf("a signature that was answered is not there: %+v, %v", tx, err)
		}
	}
	for i, c := range waiting {
		msisdn := number(users - asked + i)
		a.release(msisdn)
		a.wants("who was asked before, and answers afterwards", (<-c.answer).err, signum.SignatureMade, "")
		if n := a.shown.count(msisdn) - before[i]; n != 1 {
			t.Errorf("the phone showed the request %d times", n)
		}
	}
	for _, w := range both {
		w.eventually("the node is ready", func() bool { return w.ready() == "" })
	}
	a.eventually("nothing is outstanding", func() bool {
		open, err := a.node.Store.OutstandingTransactions(t.Context(), a.clock.Now().Add(time.Hour), "", 10)
		return err == nil && len(open) == 0
	})
}

// remove removes a server at the end of the test.
func remove(t *testing.T, s *pgtest.Server) {
	t.Cleanup(func() {
		if err := s.Remove(); err != nil {
			t.Error(err)
		}
	})
}
