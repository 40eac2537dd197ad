package sim

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/signum-mssp/signum"
)

// fakeStore keeps cards in memory.
type fakeStore struct {
	mu    sync.Mutex
	cards map[string]*signum.Card // by MSISDN
	iccid map[string]*signum.Card
	fail  error // of every call
	takes int
}

func (s *fakeStore) CardOf(_ context.Context, msisdn string) (*signum.Card, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return nil, s.fail
	}
	c := s.cards[msisdn]
	if c == nil {
		return nil, signum.ErrNotFound
	}
	return copied(c), nil
}

func (s *fakeStore) Card(_ context.Context, iccid string) (*signum.Card, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.iccid[iccid]; c != nil {
		return copied(c), s.fail
	}
	return nil, signum.ErrNotFound
}

func (s *fakeStore) put(c *signum.Card) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cards[c.MSISDN], s.iccid[c.ICCID] = c, c
}

func (s *fakeStore) TakeCounter(_ context.Context, iccid string) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.iccid[iccid]
	switch {
	case s.fail != nil:
		return 0, s.fail
	case c == nil:
		return 0, signum.ErrNotFound
	case c.Counter >= signum.MaxCardCounter:
		return 0, signum.ErrCounter
	}
	s.takes++
	c.Counter++
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
		return false, signum.ErrNotFound
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

func (s *fakeStore) change(msisdn string, f func(*signum.Card)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s.cards[msisdn])
}

func (s *fakeStore) setFail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

// fakeEngine knows what is pending and takes the first answer to each.
type fakeEngine struct {
	mu       sync.Mutex
	pending  map[string][]signum.DeviceRequest // by device
	taken    []signum.DeviceAnswer
	at       []time.Time
	late     int
	fail     int   // so many answers
	err      error // with which
	noInbox  error
	onAnswer func(signum.DeviceAnswer)
}

func (e *fakeEngine) Answer(_ context.Context, a signum.DeviceAnswer) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fail > 0 {
		e.fail--
		return e.err
	}
	i := slices.IndexFunc(e.pending[a.DeviceID], func(r signum.DeviceRequest) bool {
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

func (e *fakeEngine) Pending(_ context.Context, deviceID string) (list []signum.DeviceRequest, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.pending[deviceID] {
		if time.Now().Before(r.Expires) {
			list = append(list, r)
		}
	}
	return list, e.noInbox
}

func (e *fakeEngine) Signature(context.Context, string, string) ([]byte, error) {
	return nil, signum.ErrNotFound
}

func (e *fakeEngine) setInbox(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.noInbox = err
}

// ends forgets what is pending: it ended otherwise.
func (e *fakeEngine) ends() {
	e.mu.Lock()
	defer e.mu.Unlock()
	clear(e.pending)
}

func (e *fakeEngine) answers() []signum.DeviceAnswer {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.taken)
}

func (e *fakeEngine) failing(n int, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fail, e.err = n, err
}
