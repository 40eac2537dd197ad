package engine

import (
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/engine/phonetest"
	"github.com/signum-mssp/signum/internal/mssp"
)

// as makes the request one of another party, which putParties added.
func as(party string) change {
	return func(r *signum.SignatureRequest) { r.AP.ID, r.Data.Data = party, "Bank: Login?" }
}

// putParties adds parties with the certificate of the tests.
func (w *world) putParties(ids ...string) {
	for _, id := range ids {
		w.putParty(func(p *mssp.Party) { p.ID, p.Own = id, id == "mid://own" })
	}
}

// A party cannot end the request of another one: it is refused, and the first goes
// on. Only the service itself may, for its user.
func TestAttackDisplacedRequest(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		w.putParties("mid://other", "mid://own")
		s := w.addUser(1, silent, signum.EC, signum.App)
		first := w.begin(s)
		w.awaitShown(first)
		for range 3 {
			if _, err := w.ask(s, as("mid://other")); w.code(err) != signum.PBSignatureProcess {
				t.Errorf("another party: %v", err)
			}
		}
		if got := w.outcome(first); got != signum.OutstandingTransact {
			t.Errorf("the first request: %d", got)
		}
		own, err := w.ask(s, as("mid://own"), async)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.await(first); got != signum.UserCancel {
			t.Errorf("the first request, after one of the service: %d", got)
		}
		w.awaitShown(own.TransID)
		for _, party := range []string{"mid://ap", "mid://other"} {
			if _, err := w.ask(s, as(party)); w.code(err) != signum.PBSignatureProcess {
				t.Errorf("%s during a request of the service: %v", party, err)
			}
		}
		t1, err := w.store.Transaction(t.Context(), first)
		if err != nil || !t1.Outcome.Replaced || t1.Outcome.Detail != "User cancelled the request" {
			t.Errorf("the first request ended with %+v, %v", t1.Outcome, err)
		}
	})
}

// A party cannot hold a phone with one request after the other: once another one was
// refused, it has to pause for 10 s.
func TestAttackHeldPhone(t *testing.T) {
	t.Parallel()
	for _, m := range []signum.Method{signum.App, signum.SIM} {
		t.Run(string(m), func(t *testing.T) {
			t.Parallel()
			onStores(t, func(t *testing.T, url string) { heldPhone(t, url, m) })
		})
	}
}

// beginFree begins as soon as the phone is free: the outcome of a request can be read a
// moment before the engine lets the next one in.
func (w *world) beginFree(s *mssp.Subscriber, changes ...change) string {
	w.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		resp, err := w.ask(s, append(changes, async)...)
		switch {
		case err == nil:
			return resp.TransID
		case w.code(err) != signum.PBSignatureProcess || time.Now().After(deadline):
			w.t.Fatal(err)
		}
	}
}

func heldPhone(t *testing.T, url string, m signum.Method) {
	w := newWorld(t, url, nil)
	w.putParties("mid://other", "mid://third")
	s := w.addUser(1, silent, signum.EC, m)
	end := func(id string) {
		t.Helper()
		w.awaitShown(id)
		if err := w.phones.Act(s.Devices[0].ID, id, phonetest.Approve); err != nil {
			t.Fatal(err)
		}
		if got := w.await(id); got != signum.SignatureMade {
			t.Fatalf("%s: %d", id, got)
		}
	}
	busy := func(what, party string) {
		t.Helper()
		if _, err := w.ask(s, as(party)); w.code(err) != signum.PBSignatureProcess {
			t.Errorf("%s: %v", what, err)
		}
	}
	// Nobody else asks: a party may come back at once.
	end(w.begin(s))
	held := w.begin(s)
	w.awaitShown(held)
	busy("the other party", "mid://other")
	busy("the holder, which wants to prolong", "mid://ap")
	if err := w.phones.Act(s.Devices[0].ID, held, phonetest.Approve); err != nil {
		t.Fatal(err)
	}
	if got := w.await(held); got != signum.SignatureMade {
		t.Fatalf("the request of the holder: %d", got)
	}
	busy("the holder, at once", "mid://ap")
	w.clock.Advance(9 * time.Second)
	busy("the holder, after 9 s", "mid://ap")
	// After 10 s it is free, whether or not the other party came back.
	w.clock.Advance(time.Second)
	end(w.beginFree(s))
	// Once another party has had its turn, the holder may come back at once.
	held = w.begin(s)
	w.awaitShown(held)
	busy("the other party", "mid://other")
	if err := w.phones.Act(s.Devices[0].ID, held, phonetest.Approve); err != nil {
		t.Fatal(err)
	}
	w.await(held)
	other := w.begin(s, as("mid://third"))
	w.awaitShown(other)
	busy("the holder, during the turn of another", "mid://ap")
	if err := w.phones.Act(s.Devices[0].ID, other, phonetest.Approve); err != nil {
		t.Fatal(err)
	}
	for done := false; !done; {
		tx, err := w.store.Transaction(t.Context(), other)
		if err != nil {
			t.Fatal(err)
		}
		done = tx.State != mssp.StateOutstanding
	}
	w.begin(s, as("mid://other"))
}

// Parties ask the same App at once: one request stays open, and whatever was replaced
// was replaced by a newer one of the same party.
func TestNewerRequests(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		parties := []string{"mid://a", "mid://b", "mid://c"}
		w.putParties(parties...)
		s := w.addUser(1, silent, signum.EC, signum.App)
		var wg sync.WaitGroup
		for i := range 30 {
			wg.Go(func() {
				_, err := w.ask(s, as(parties[i%3]), async)
				if c := w.code(err); c != 0 && c != signum.PBSignatureProcess {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		list, err := w.store.RecentTransactions(t.Context(), s.MSISDN, 100)
		if err != nil || len(list) == 0 {
			t.Fatal(list, err)
		}
		open := ""
		for _, tx := range list {
			switch {
			case tx.State == mssp.StateOutstanding && open == "":
				open = tx.APID
			case tx.State == mssp.StateOutstanding:
				t.Errorf("two open requests, of %s and %s", open, tx.APID)
			case !tx.Outcome.Replaced:
				t.Errorf("%s ended with %+v", tx.ID, tx.Outcome)
			}
		}
		// No party lost the phone to another one, so all are of the party that came first.
		for _, tx := range list {
			if tx.APID != open {
				t.Errorf("a request of %s was replaced by one of %s", tx.APID, open)
			}
		}
	})
}
