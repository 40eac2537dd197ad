package softapp

import (
	"slices"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
)

// memoSize is how many ended requests a device remembers. A method has one
// outstanding transaction at a time, so that a few would do.
const memoSize = 32

// withdrawnFor is how long a request that was withdrawn before it arrived is
// remembered: the longest time a party may ask for (TimeOut, 300 s).
const withdrawnFor = 300 * time.Second

// name tells one request from another.
type name struct {
	transID string
	op      mssp.DeviceOp
}

func nameOf(r *mssp.DeviceRequest) name { return name{r.TransID, r.Op} }

// ended is what a device is through with: a request that it answered, or a
// transaction that was withdrawn.
type ended struct {
	answer    mssp.DeviceAnswer // TransID is always set
	withdrawn bool              // there is no answer
	forget    time.Time         // zero: only when there is no room
}

// memo is what lets a device answer a repeated request without asking its
// user again. Entries are in the order in which they came: what was answered
// before its transaction was withdrawn is found first.
type memo []ended

func (m memo) find(id name, now time.Time) (ended, bool) {
	for _, e := range m {
		if e.answer.TransID == id.transID && e.answer.Op == id.op && !past(e.forget, now) {
			return e, true
		}
	}
	return ended{}, false
}

// add drops what is past its time, and the oldest if there is no room. A
// forgotten request cannot come back to life while its time runs out in the
// request too, where receive checks it.
func (m *memo) add(e ended, now time.Time) {
	*m = slices.DeleteFunc(*m, func(e ended) bool { return past(e.forget, now) })
	if len(*m) >= memoSize {
		*m = slices.Delete(*m, 0, len(*m)-memoSize+1)
	}
	*m = append(*m, e)
}

// past reports whether a time that may be unset was reached.
func past(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }
