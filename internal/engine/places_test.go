package engine

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/engine/phonetest"
	"github.com/signum-mssp/signum/internal/mssp"
)

// TestPlaces: one party alone cannot take all places, so that there is one for others, and
// all places are used if there are enough parties.
func TestPlaces(t *testing.T) {
	fs := newFlights()
	next := 0
	fill := func(party string, m signum.Method, most int) (taken int) {
		for {
			next++
			tr := &mssp.Transaction{ID: fmt.Sprint(next), APID: party, Method: m, State: mssp.StateOutstanding}
			if fs.begin(tr, time.Time{}, most) != nil {
				return taken
			}
			taken++
		}
	}
	for _, tt := range []struct {
		party string
		want  int
	}{{"a", 90}, {"b", 9}, {"c", 1}, {"a", 0}, {"d", 0}} {
		if got := fill(tt.party, signum.SIM, 100); got != tt.want {
			t.Errorf("party %s gets %d places, want %d", tt.party, got, tt.want)
		}
	}
	if got := fill("a", signum.App, 9); got != 9 {
		t.Errorf("the other method has %d places, want 9", got)
	}
	// What is in the store already needs no place, but counts.
	fs.resume(&mssp.Transaction{ID: "old", APID: "a", Method: signum.SIM}, time.Time{})
	fs.resume(&mssp.Transaction{ID: "old", APID: "a", Method: signum.SIM}, time.Time{})
	if n := fs.places.open[signum.SIM]; n != 101 {
		t.Errorf("%d are open, want 101", n)
	}
	for id := range fs.m {
		fs.over(id)
		fs.over(id)
	}
	if n := fs.places.open[signum.SIM] + fs.places.open[signum.App] + len(fs.places.of); n != 0 {
		t.Errorf("%d places are left behind", n)
	}
	if got := fill("a", signum.SIM, 5); got != 5 {
		t.Errorf("%d places after all have ended, want 5", got)
	}
}

// unread is a store whose transactions cannot be read.
type unread struct{ mssp.Store }

func (unread) Transaction(context.Context, string) (*mssp.Transaction, error) { return nil, errAny }

// TestExpiryWithoutReading: what nobody answered ends without being read, so that the store
// has half the work when thousands end at the same time.
func TestExpiryWithoutReading(t *testing.T) {
	w := newWorld(t, "sqlite:"+t.TempDir()+"/signum.db", nil)
	s := w.addUser(1, phonetest.Silent, signum.EC, signum.App)
	id := w.begin(s)
	w.awaitShown(id)
	w.clock.Advance(time.Hour)
	w.cfg.Store = unread{w.store}
	if err := w.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	tr, err := w.store.Transaction(t.Context(), id)
	if err != nil || tr.Outcome.Code != signum.ExpiredTransaction || tr.Outcome.Detail != signum.DetailTimeout {
		t.Errorf("%+v, %v", tr, err)
	}
	if n := w.flights.len(); n != 0 {
		t.Errorf("%d transactions are still known", n)
	}
}
