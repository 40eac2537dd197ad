package event

import (
	"container/list"
	"log/slog"
	"strings"
	"sync"
	"time"
)

const (
	sampleInterval = time.Minute
	sampleKeys     = 1024 // that are counted at a time; beyond, the oldest ends early
)

// sample is the first of its kind and how often it came again within its
// interval.
type sample[T any] struct {
	key    string
	first  T
	passed int
	count  int // of those that did not pass
	timer  *time.Timer
}

// sampler lets the first few of each kind through and counts those that follow
// within an interval. Each call costs the same however many kinds it knows.
type sampler[T any] struct {
	few    int             // that pass in an interval
	report func(sample[T]) // of what did not pass

	mu    sync.Mutex
	order list.List // of *sample[T], oldest first
	by    map[string]*list.Element
}

func newSampler[T any](few int, report func(sample[T])) *sampler[T] {
	return &sampler[T]{few: few, report: report, by: make(map[string]*list.Element)}
}

// see counts one of a kind. It returns the first of its kind, and whether this one
// is too many to pass.
func (s *sampler[T]) see(key string, v T) (first T, tooMany bool) {
	s.mu.Lock()
	if e, ok := s.by[key]; ok {
		defer s.mu.Unlock()
		known := e.Value.(*sample[T])
		if known.passed < s.few {
			known.passed++
			return known.first, false
		}
		known.count++
		return known.first, true
	}
	var oldest *sample[T]
	if s.order.Len() >= sampleKeys {
		oldest = s.order.Front().Value.(*sample[T])
		s.remove(oldest)
	}
	n := &sample[T]{key: key, first: v, passed: 1}
	n.timer = time.AfterFunc(sampleInterval, func() {
		defer Rescue(slog.Default(), "log sampler")
		s.end(n)
	})
	s.by[key] = s.order.PushBack(n)
	s.mu.Unlock()
	if oldest != nil && oldest.count > 0 {
		s.report(*oldest)
	}
	return v, false
}

// end closes an interval.
func (s *sampler[T]) end(n *sample[T]) {
	s.mu.Lock()
	known := s.remove(n)
	s.mu.Unlock()
	if known && n.count > 0 {
		s.report(*n)
	}
}

// close ends all intervals now.
func (s *sampler[T]) close() {
	for {
		s.mu.Lock()
		e := s.order.Front()
		s.mu.Unlock()
		if e == nil {
			return
		}
		s.end(e.Value.(*sample[T]))
	}
}

// remove reports whether the sample was still counted. The mutex is held.
func (s *sampler[T]) remove(n *sample[T]) bool {
	e, ok := s.by[n.key]
	if !ok || e.Value != any(n) {
		return false
	}
	n.timer.Stop()
	s.order.Remove(e)
	delete(s.by, n.key)
	return true
}

// shape is a text without what differs from one error to the next of its kind:
// every word with a digit in it, which is a number, an id or an address.
func shape(text string) string {
	words := strings.Fields(Clip(text))
	for i, w := range words {
		if strings.ContainsAny(w, "0123456789") {
			words[i] = "#"
		}
	}
	return strings.Join(words, " ")
}
