package sim

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
)

// fakeStore keeps cards in memory.
type fakeStore struct {
	mu        sync.Mutex
	cards     map[string]*mssp.Card // by MSISDN
	iccid     map[string]*mssp.Card
	fail      error // every call fails with it
	noCounter error // TakeCounter fails with it
	takes     int
}

func (s *fakeStore) CardOf(_ context.Context, msisdn string) (*mssp.Card, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return nil, s.fail
	}
	c := s.cards[msisdn]
	if c == nil {
		return nil, mssp.ErrNotFound
	}
	return copied(c), nil
}

func (s *fakeStore) Card(_ context.Context, iccid string) (*mssp.Card, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.iccid[iccid]; c != nil {
		return copied(c), s.fail
	}
	return nil, mssp.ErrNotFound
}

func (s *fakeStore) put(c *mssp.Card) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cards[c.MSISDN], s.iccid[c.ICCID] = c, c
}

func (s *fakeStore) TakeCounter(_ context.Context, iccid string, least uint64) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.iccid[iccid]
	switch {
	case cmp.Or(s.fail, s.noCounter) != nil:
		return 0, cmp.Or(s.fail, s.noCounter)
	case c == nil:
		return 0, mssp.ErrNotFound
	case max(c.Counter+1, least) > mssp.MaxCardCounter:
		return 0, mssp.ErrCounter
	}
	s.takes++
	c.Counter = max(c.Counter+1, least)
	return c.Counter, nil
}

func (s *fakeStore) AcceptReply(_ context.Context, iccid string, counter uint64) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.iccid[iccid]
	switch {
	case s.fail != nil:
		return false, s.fail
	case c == nil:
		return false, mssp.ErrNotFound
	case seen(c, counter):
		return false, nil
	case counter > c.ReplyCounter:
		up := counter - c.ReplyCounter
		c.ReplySeen = c.ReplySeen<<up | 1<<(up-1)
		c.ReplyCounter = counter
	default:
		c.ReplySeen |= 1 << (c.ReplyCounter - counter - 1)
	}
	return true, nil
}

func (s *fakeStore) change(msisdn string, f func(*mssp.Card)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s.cards[msisdn])
}

func (s *fakeStore) setNoCounter(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noCounter = err
}

func (s *fakeStore) setFail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

// fakeEngine knows what is pending and takes the first answer to each.
type fakeEngine struct {
	mu       sync.Mutex
	pending  map[string][]mssp.DeviceRequest // by device
	taken    []mssp.DeviceAnswer
	at       []time.Time
	late     int
	fail     int   // the next answers that are not taken
	err      error // the reason
	noInbox  error
	onAnswer func(mssp.DeviceAnswer)
}

func (e *fakeEngine) Answer(_ context.Context, a mssp.DeviceAnswer) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fail > 0 {
		e.fail--
		return e.err
	}
	i := slices.IndexFunc(e.pending[a.DeviceID], func(r mssp.DeviceRequest) bool {
		return r.TransID == a.TransID && r.Op == a.Op && time.Now().Before(r.Expires)
	})
	if i < 0 {
		e.late++
		return nil
	}
	e.pending[a.DeviceID] = slices.Delete(e.pending[a.DeviceID], i, i+1)
	e.taken = append(e.taken, a)
	e.at = append(e.at, time.Now())
	if e.onAnswer != nil {
		e.onAnswer(a)
	}
	return nil
}

func (e *fakeEngine) Pending(_ context.Context, deviceID string) (list []mssp.DeviceRequest, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.pending[deviceID] {
		if time.Now().Before(r.Expires) {
			list = append(list, r)
		}
	}
	return list, e.noInbox
}

func (e *fakeEngine) Recheck(context.Context, string) error { return nil }

func (e *fakeEngine) Ended(context.Context, string, string, mssp.DeviceOp) (bool, error) {
	return false, nil
}

func (e *fakeEngine) Signature(context.Context, string, string) ([]byte, error) {
	return nil, mssp.ErrNotFound
}

func (e *fakeEngine) setInbox(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.noInbox = err
}

// ends ends everything that is pending.
func (e *fakeEngine) ends() {
	e.mu.Lock()
	defer e.mu.Unlock()
	clear(e.pending)
}

func (e *fakeEngine) answers() []mssp.DeviceAnswer {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.taken)
}

func (e *fakeEngine) failing(n int, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fail, e.err = n, err
}
