package storetest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/signum-mssp/signum/internal/mssp"
)

// onPhone returns the n-th transaction of one App.
func onPhone(n int) *mssp.Transaction {
	tx := NewTransaction(n)
	first := NewTransaction(0)
	tx.MSISDN, tx.Method, tx.DeviceID = first.MSISDN, first.Method, first.DeviceID
	return tx
}

// A transaction replaces another one completely or not at all.
func testReplace(t *testing.T, d *database) {
	s := d.Store()
	old, next := onPhone(0), onPhone(1)
	insert(t, s, old)
	// What is refused does not end the old one.
	twice := onPhone(1)
	twice.APID, twice.APTransID, twice.APInstant = old.APID, old.APTransID, old.APInstant
	if done, err := s.ReplaceTransaction(t.Context(), old.ID, replaced(), twice); done || !errors.Is(err, mssp.ErrDuplicate) {
		t.Errorf("a call that was made before: %v, %v", done, err)
	}
	sameID := onPhone(1)
	sameID.ID = old.ID
	if done, err := s.ReplaceTransaction(t.Context(), old.ID, replaced(), sameID); done || err == nil {
		t.Errorf("an ID that exists: %v, %v", done, err)
	}
	if done, err := s.ReplaceTransaction(t.Context(), old.ID, made(), next); done || err == nil {
		t.Errorf("with a signature: %v, %v", done, err)
	}
	same(t, old, read(t, s, old.ID))

	done, err := s.ReplaceTransaction(t.Context(), old.ID, replaced(), next)
	if !done || err != nil {
		t.Fatal(done, err)
	}
	old.State, old.Outcome, old.Finished = mssp.StateFailed, replaced(), next.Created
	same(t, old, read(t, s, old.ID))
	same(t, next, read(t, s, next.ID))

	// The old one has ended already: the third is blocked by the second.
	var busy *mssp.BusyError
	if done, err := s.ReplaceTransaction(t.Context(), old.ID, replaced(), onPhone(2)); done || !errors.As(err, &busy) || busy.TransID != next.ID {
		t.Errorf("replacing what has ended: %v, %v", done, err)
	}
	finish(t, s, next.ID, cancelled(), after(5), true)
	for i, id := range []string{next.ID, "none", ""} {
		tx := onPhone(2 + i)
		if done, err := s.ReplaceTransaction(t.Context(), id, replaced(), tx); done || err != nil {
			t.Errorf("nothing to replace (%q): %v, %v", id, done, err)
		}
		finish(t, s, tx.ID, cancelled(), after(5), true)
	}
}

// Many replace the same transaction: one does, the others find the phone busy, and at
// no time do two have it.
func testReplaceRace(t *testing.T, d *database) {
	s := d.Store()
	insert(t, s, onPhone(0))
	var won atomic.Int32
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			done, err := s.ReplaceTransaction(t.Context(), onPhone(0).ID, replaced(), onPhone(1+i))
			switch {
			case err == nil && done:
				won.Add(1)
			case !errors.As(err, new(*mssp.BusyError)):
				t.Errorf("%d: %v, %v", i, done, err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d replaced it", won.Load())
	}
}
