package engine

import (
	"sync"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// flights are the transactions of this node that have no outcome yet, as far as it
// knows. They tell what the rows cannot: when the time of each is up whatever happens to
// the clock of the machine, whether a phone was asked, and which outcome the store could
// not take.
type flights struct {
	mu     sync.Mutex
	m      map[string]*flight
	places places
}

// flight is one of them.
type flight struct {
	due   time.Time // when its time is up; by the monotonic clock, if the Clock has one
	place place
	// phone and expires are the rest of what the end of the transaction needs, so that it
	// need not be read when its time is up.
	phone   phone
	expires time.Time
	asked   bool // a channel took it: what became of it is known to its phone
	begun   bool // by a request to this node
	// doubtful means that the store could not tell whether the transaction was inserted.
	// Its party was told 900, and no phone is asked.
	doubtful bool
	again    bool    // the store is to be asked at once to end it
	decided  *ending // that the store could not take; nil: none
}

// phone is the one that is asked; of several Apps, the first.
type phone struct{ msisdn, deviceID string }

// ending is how a transaction is to end.
type ending struct {
	mssp.Outcome
	why mssp.EndReason
	by  *mssp.AnsweredBy // nil: no device answered
}

func newFlights() flights { return flights{m: make(map[string]*flight), places: newPlaces()} }

// begin registers a transaction whose time is up at due, unless all places for it are
// taken.
func (fs *flights) begin(t *mssp.Transaction, due time.Time, most int) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	at := placeOf(t)
	if err := fs.places.room(at, most); err != nil {
		return err
	}
	fs.add(t, at, due)
	fs.m[t.ID].begun = true
	return nil
}

// resume registers a transaction that is in the store. One that is known already keeps what
// is known of it.
func (fs *flights) resume(t *mssp.Transaction, due time.Time) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.m[t.ID] == nil {
		fs.add(t, placeOf(t), due)
	}
}

func (fs *flights) add(t *mssp.Transaction, at place, due time.Time) {
	fs.m[t.ID] = &flight{due: due, place: at, phone: phone{t.MSISDN, t.DeviceID}, expires: t.Expires}
	fs.places.take(at)
}

// plain returns a transaction that nobody has answered, as far as its end needs it; nil if
// more must be known.
func (fs *flights) plain(id string, now time.Time) *mssp.Transaction {
	f, known := fs.get(id)
	if !known || f.again || f.doubtful || f.decided != nil || f.place == (place{}) || now.Before(f.due) {
		return nil
	}
	return &mssp.Transaction{
		ID: id, APID: f.place.party, Method: f.place.method, MSISDN: f.phone.msisdn, DeviceID: f.phone.deviceID,
		Expires: f.expires, State: mssp.StateOutstanding,
	}
}

// over forgets a transaction that has ended, or was not inserted. It reports whether the
// transaction was begun by a request to this node.
func (fs *flights) over(id string) (begun bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	begun = fs.m[id] != nil && fs.m[id].begun
	fs.drop(id)
	return begun
}

// drop is over with mu held.
func (fs *flights) drop(id string) {
	if f := fs.m[id]; f != nil {
		delete(fs.m, id)
		fs.places.leave(f.place)
	}
}

// asked notes that a channel took the transaction.
func (fs *flights) asked(id string) {
	fs.change(id, func(f *flight) { f.asked = true })
}

// doubt notes that the store could not tell whether the transaction was inserted.
func (fs *flights) doubt(id string) {
	fs.change(id, func(f *flight) { f.doubtful, f.again = true, true })
}

// decide keeps an outcome that the store could not take. The first one counts, unless it
// took effect.
func (fs *flights) decide(id string, d ending) {
	fs.change(id, func(f *flight) {
		if f.again = true; f.decided == nil {
			f.decided = &d
		}
	})
}

// undecide drops an outcome that the store refuses.
func (fs *flights) undecide(id string) {
	fs.change(id, func(f *flight) { f.again, f.decided = false, nil })
}

// missing notes that there is no such transaction in the store. A doubtful one may still
// be committed, so it is looked for again when its time is up.
func (fs *flights) missing(id string, now time.Time) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f := fs.m[id]; f != nil && f.doubtful && now.Before(f.due) {
		f.again = false
		return
	}
	fs.drop(id)
}

func (fs *flights) change(id string, f func(*flight)) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if known := fs.m[id]; known != nil {
		f(known)
	}
}

func (fs *flights) len() int {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return len(fs.m)
}

// get returns what is known of a transaction.
func (fs *flights) get(id string) (f flight, known bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if p := fs.m[id]; p != nil {
		return *p, true
	}
	return f, false
}

// overdue returns the transactions that are to end now.
func (fs *flights) overdue(now time.Time) (ids []string) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for id, f := range fs.m {
		if f.again || !now.Before(f.due) {
			ids = append(ids, id)
		}
	}
	return ids
}

// notWaiting returns the transactions without those that have time left by the monotonic
// clock, whatever their rows say.
func (fs *flights) notWaiting(ids []string, now time.Time) (rest []string) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, id := range ids {
		if f := fs.m[id]; f == nil || f.again || !now.Before(f.due) {
			rest = append(rest, id)
		}
	}
	return rest
}

// ending returns how an overdue transaction ends: as was decided, with 900 if this node
// knows that no phone was asked, otherwise with 208.
func (fs *flights) ending(id string) ending {
	f, known := fs.get(id)
	switch {
	case f.decided != nil:
		return *f.decided
	case known && !f.asked:
		return ending{Outcome: mssp.Failed(signum.NewFault(signum.InternalError)), why: mssp.EndExpired}
	}
	return ending{Outcome: mssp.Failed(signum.Faultf(signum.ExpiredTransaction, signum.DetailTimeout)), why: mssp.EndExpired}
}

// dueIn returns when a transaction is due that has this much time left.
func (e *Engine) dueIn(left time.Duration) time.Time { return e.cfg.Clock.Now().Add(left) }

// overdue reports whether an outstanding transaction is to end. Of the transactions of
// this node the monotonic clock decides, of others the time in their rows.
func (e *Engine) overdue(t *mssp.Transaction) bool {
	if f, known := e.flights.get(t.ID); known {
		return f.again || !e.cfg.Clock.Now().Before(f.due)
	}
	return !e.storeTime().Before(t.Expires)
}
