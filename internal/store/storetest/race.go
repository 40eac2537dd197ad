package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

const crowd = 100

// race runs n functions as nearly at once as it can.
func race(n int, run func(i int)) {
	var ready, done sync.WaitGroup
	gate := make(chan struct{})
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			<-gate
			run(i)
		})
	}
	ready.Wait()
	close(gate)
	done.Wait()
}

func testRaceForTriple(t *testing.T, d *database) {
	s := d.Store()
	for round := range 5 {
		errs := make([]error, crowd)
		race(crowd, func(i int) {
			tx := NewTransaction(round*crowd + i)
			tx.APTransID = fmt.Sprintf("round %d", round)
			errs[i] = s.InsertTransaction(t.Context(), tx)
		})
		won := 0
		for i, err := range errs {
			switch {
			case err == nil:
				won++
				read(t, s, NewTransaction(round*crowd+i).ID)
			case !errors.Is(err, mssp.ErrDuplicate):
				t.Errorf("loser got %v", err)
			}
		}
		if won != 1 {
			t.Errorf("%d won", won)
		}
	}
}

func testRaceForSubscriber(t *testing.T, d *database) {
	s := d.Store()
	for round := range 5 {
		errs := make([]error, crowd)
		race(crowd, func(i int) {
			tx := NewTransaction(round*crowd + i)
			tx.MSISDN = fmt.Sprintf("+4179%d", round)
			errs[i] = s.InsertTransaction(t.Context(), tx)
		})
		winner := ""
		for i, err := range errs {
			if err == nil {
				if winner != "" {
					t.Error("two won")
				}
				winner = NewTransaction(round*crowd + i).ID
			}
		}
		for _, err := range errs {
			if err != nil {
				wantBusy(t, err, winner)
			}
		}
	}
}

func testRaceToFinish(t *testing.T, d *database) {
	s := d.Store()
	for round := range 5 {
		tx := NewTransaction(round)
		insert(t, s, tx)
		won := make([]bool, crowd)
		errs := make([]error, crowd)
		race(crowd, func(i int) {
			o := mssp.Outcome{Code: signum.OTAError, Detail: fmt.Sprint(i)}
			won[i], errs[i] = s.FinishTransaction(t.Context(), tx.ID, o, nil, after(i))
		})
		winner := -1
		for i := range crowd {
			must(t, errs[i])
			if won[i] && winner >= 0 {
				t.Error("two won")
			}
			if won[i] {
				winner = i
			}
		}
		if got := read(t, s, tx.ID); got.Outcome.Detail != fmt.Sprint(winner) || !got.Finished.Equal(after(winner)) {
			t.Errorf("%d won, but the outcome is %q at %v", winner, got.Outcome.Detail, got.Finished)
		}
	}
}

func testRaceToRevoke(t *testing.T, d *database) {
	s := d.Store()
	c := issue(t, s, newCertificate(1, "sim-1"))
	race(20, func(i int) {
		if err := s.RevokeCertificate(t.Context(), c.Serial, after(i), i%5); err != nil {
			t.Errorf("revoke: %v", err)
		}
	})
	first, err := s.Certificate(t.Context(), c.Serial)
	must(t, err)
	must(t, s.RevokeCertificate(t.Context(), c.Serial, after(99), 9))
	got, err := s.Certificate(t.Context(), c.Serial)
	must(t, err)
	same(t, first, got)
}

// testCrowdedCommits makes writes of every kind share commits, with refusals in
// between, and then checks that each answer was true.
func testCrowdedCommits(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	blocker := NewTransaction(9999)
	insert(t, s, blocker)
	race(crowd, func(i int) {
		for j := range 5 {
			n := i*10 + j
			tx := NewTransaction(n)
			if err := s.InsertTransaction(ctx, tx); err != nil {
				t.Errorf("insert %d: %v", n, err)
				continue
			}
			busy := NewTransaction(n + 5)
			busy.MSISDN = blocker.MSISDN
			if err := s.InsertTransaction(ctx, busy); !errors.As(err, new(*mssp.BusyError)) {
				t.Errorf("busy %d: %v", n, err)
			}
			if done, err := Sign(ctx, s, tx, after(n)); !done || err != nil {
				t.Errorf("finish %d: %v, %v", n, done, err)
			}
			if got, err := s.Transaction(ctx, tx.ID); err != nil || got.State != mssp.StateSigned {
				t.Errorf("read one's own write %d: %v", n, err)
			}
			c := newCertificate(n, "sim")
			if err := errors.Join(s.IntendCertificate(ctx, c), s.CompleteCertificate(ctx, c.Serial, []byte{1})); err != nil {
				t.Errorf("certificate %d: %v", n, err)
			}
			sub := subscriber(n, mssp.Device{ID: fmt.Sprint("d", n), Method: signum.SIM, State: signum.DeviceActive,
				Certificate: c})
			if err := s.PutSubscriber(ctx, sub); err != nil {
				t.Errorf("subscriber %d: %v", n, err)
			}
			thief := subscriber(n+5, sub.Devices...)
			if err := s.PutSubscriber(ctx, thief); err == nil {
				t.Errorf("device %d has two owners", n)
			}
		}
	})
	s = d.Reopen()
	n, err := s.PurgeTransactions(ctx, after(100_000), 10_000)
	must(t, err)
	if n != crowd*5 {
		t.Errorf("%d transactions on disk, %d were answered", n, crowd*5)
	}
}

// testCancelledWhileCrowded cancels callers at random. If a write returned nil, it must
// be there; if it returned that it was cancelled, it must not, unless it says that this is
// not known.
func testCancelledWhileCrowded(t *testing.T, d *database) {
	s := d.Store()
	errs := make([]error, crowd*5)
	race(len(errs), func(i int) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%50)*time.Millisecond)
		defer cancel()
		errs[i] = s.InsertTransaction(ctx, NewTransaction(i))
	})
	written, uncertain := 0, 0
	for i, err := range errs {
		_, rerr := s.Transaction(t.Context(), NewTransaction(i).ID)
		switch {
		case err == nil && rerr == nil:
			written++
		case errors.Is(err, mssp.ErrUncertain) && (rerr == nil || errors.Is(rerr, mssp.ErrNotFound)):
			uncertain++
		case errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, mssp.ErrUncertain) && errors.Is(rerr, mssp.ErrNotFound):
		default:
			t.Errorf("the answer was %v, the transaction is %v", err, rerr)
		}
	}
	t.Logf("%d of %d written, and of %d it is not known", written, len(errs), uncertain)
}
