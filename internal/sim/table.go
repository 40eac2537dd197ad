package sim

import (
	"slices"

	"github.com/signum-mssp/signum/internal/applet"
)

// table holds the requests in memory and finds them. Channel.mu guards it.
type table struct {
	all      map[*request]struct{}
	byID     map[applet.ID][]*request
	byMSISDN map[string][]*request
}

func newTable() table {
	return table{all: map[*request]struct{}{}, byID: map[applet.ID][]*request{}, byMSISDN: map[string][]*request{}}
}

func (t *table) len() int { return len(t.all) }

func (t *table) put(q *request) {
	t.all[q] = struct{}{}
	t.byID[q.id] = append(t.byID[q.id], q)
	t.byMSISDN[q.MSISDN] = append(t.byMSISDN[q.MSISDN], q)
}

func (t *table) remove(q *request) {
	delete(t.all, q)
	drop(t.byID, q.id, q)
	drop(t.byMSISDN, q.MSISDN, q)
}

func drop[K comparable](m map[K][]*request, key K, q *request) {
	list := slices.DeleteFunc(slices.Clone(m[key]), func(other *request) bool { return other == q })
	if len(list) == 0 {
		delete(m, key)
		return
	}
	m[key] = list
}

// of returns the requests of a transaction to a device.
func (t *table) of(id applet.ID, deviceID string) (list []*request) {
	for _, q := range t.byID[id] {
		if q.DeviceID == deviceID {
			list = append(list, q)
		}
	}
	return list
}

// find returns the request that a reply answers; nil if there is none.
func (t *table) find(id applet.ID, deviceID string, step applet.Op) *request {
	for _, q := range t.byID[id] {
		if q.DeviceID == deviceID && answers(q.Op, step) {
			return q
		}
	}
	return nil
}

// add puts a request into the table unless it is known. Channel.mu is held.
func (c *Channel) add(q *request) (known bool, err error) {
	for _, other := range c.table.of(q.id, q.DeviceID) {
		if other.Op == q.Op {
			return true, nil
		}
	}
	if c.closed {
		return false, errClosed
	}
	c.n.requests.Add(1)
	c.table.put(q)
	return false, nil
}
