package engine

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/signum-mssp/signum/internal/limit"
	"github.com/signum-mssp/signum/internal/mssp"
)

// turnPause is how long a party must leave a phone to others after its last request,
// once another party was refused because of it.
const turnPause = 10 * time.Second

// turns see to it that no party keeps a phone busy with one request after the other.
// A party that made another one wait must let its request end, and pause. What is
// known is in memory, so it holds on each node by itself; when the table is full, the
// oldest entry is forgotten.
type turns struct {
	mu  sync.Mutex
	lru *simplelru.LRU[string, turn] // by phone: number and method
}

type turn struct {
	holder string // AP_ID
	until  time.Time
}

func newTurns() *turns {
	lru, err := simplelru.NewLRU[string, turn](limit.DefaultKeys, nil)
	if err != nil { // the size is a positive constant
		panic(err)
	}
	return &turns{lru: lru}
}

func phoneKey(t *mssp.Transaction) string { return t.MSISDN + string(t.Method) }

// waiting records that another party was refused because of the open transaction.
func (s *turns) waiting(open *mssp.Transaction) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lru.Add(phoneKey(open), turn{open.APID, open.Expires.Add(turnPause)})
}

// ended records the end of a transaction, after which the pause of its party begins.
// One that expired has ended then, however late it is noticed.
func (s *turns) ended(t *mssp.Transaction, now time.Time) {
	if now.After(t.Expires) {
		now = t.Expires
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if k, ok := s.lru.Peek(phoneKey(t)); ok && k.holder == t.APID && now.Before(k.until) {
		s.lru.Add(phoneKey(t), turn{t.APID, now.Add(turnPause)})
	}
}

// taken records that a party has got the phone. If it is another one, nobody waits
// any more.
func (s *turns) taken(t *mssp.Transaction) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k, ok := s.lru.Peek(phoneKey(t)); ok && k.holder != t.APID {
		s.lru.Remove(phoneKey(t))
	}
}

// wait returns how long the party must leave the phone to others; 0 if it need not.
func (s *turns) wait(t *mssp.Transaction, now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k, ok := s.lru.Peek(phoneKey(t)); ok && k.holder == t.APID {
		return max(0, k.until.Sub(now))
	}
	return 0
}
