package phone

import (
	"slices"
	"time"

	"github.com/signum-mssp/signum"
)

// memoSize is how many ended requests a device remembers. A method has one
// outstanding request at a time, so that a few would do.
const memoSize = 16

// withdrawnFor is how long a request that was withdrawn before it arrived is
// remembered: the longest time a party may ask for (TimeOut, 300 s).
const withdrawnFor = 300 * time.Second

// ended is a request that a device is through with: answered or withdrawn.
type ended struct {
	answer    signum.DeviceAnswer // TransID is always set
	withdrawn bool                // there is no answer
	forget    time.Time           // zero: only when there is no room
}

// memo is what lets a device answer a repeated request without asking its
// user again. Entries are in the order in which they came.
type memo []ended

func (m memo) find(transID string, now time.Time) (ended, bool) {
	for i := range m {
		if m[i].answer.TransID == transID && !past(m[i].forget, now) {
			return m[i], true
		}
	}
	return ended{}, false
}

// add drops what is past its time, and the oldest if there is no room. A
// forgotten request cannot come back to life while its time runs out in the
// request too, where Device.Receive checks it.
func (m *memo) add(e ended, now time.Time) {
	*m = slices.DeleteFunc(*m, func(e ended) bool { return past(e.forget, now) })
	if len(*m) >= memoSize {
		*m = slices.Delete(*m, 0, len(*m)-memoSize+1)
	}
	*m = append(*m, e)
}

// past reports whether a time that may be unset was reached.
func past(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }
