package softapp

import (
	"slices"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
)

// memoSize is how many ended requests a device remembers. A few would do, because
// a method has one outstanding transaction at a time.
const memoSize = 32

// withdrawnFor is how long a withdrawal is remembered, in case the request arrives
// after it: the longest TimeOut that a party may ask for.
const withdrawnFor = 300 * time.Second

// requestKey identifies a request.
type requestKey struct {
	transID string
	op      mssp.DeviceOp
}

func keyOf(r *mssp.DeviceRequest) requestKey { return requestKey{r.TransID, r.Op} }

// ended is a request that the device answered or that was withdrawn.
type ended struct {
	answer    mssp.DeviceAnswer // TransID is always set
	withdrawn bool              // there is no answer
	forget    time.Time         // when to forget it; zero: only when full
}

// memo remembers ended requests, so that the device can answer a repeated one
// without asking its user again. The oldest entry comes first: an answer that was
// given before a withdrawal is found first.
type memo []ended

func (m memo) find(id requestKey, now time.Time) (ended, bool) {
	for _, e := range m {
		if e.answer.TransID == id.transID && e.answer.Op == id.op && !past(e.forget, now) {
			return e, true
		}
	}
	return ended{}, false
}

// add drops entries that have expired, and the oldest one when full. A request
// whose entry has expired is not shown again: it has expired too, which receive
// checks.
func (m *memo) add(e ended, now time.Time) {
	*m = slices.DeleteFunc(*m, func(e ended) bool { return past(e.forget, now) })
	if len(*m) >= memoSize {
		*m = slices.Delete(*m, 0, len(*m)-memoSize+1)
	}
	*m = append(*m, e)
}

// past reports whether t is set and has been reached.
func past(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }
