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

// sample is one error and how often it came again within its interval.
type sample struct {
	key      string
	incident string
	count    int // repetitions, the first one left out
	timer    *time.Timer
}

// sampler lets the first of each kind of error through and counts those that
// follow within an interval. Each call costs the same however many keys it knows.
type sampler struct {
	report func(sample) // of what was repeated

	mu    sync.Mutex
	order list.List // of *sample, oldest first
	by    map[string]*list.Element
}

func newSampler(report func(sample)) *sampler {
	return &sampler{report: report, by: make(map[string]*list.Element)}
}

// see counts an error. It returns the incident of the first of its kind, and
// whether this is a repetition.
func (s *sampler) see(key, incident string) (first string, repeated bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.by[key]; ok {
		known := e.Value.(*sample)
		known.count++
		return known.incident, true
	}
	if s.order.Len() >= sampleKeys {
		s.end(s.order.Front().Value.(*sample))
	}
	n := &sample{key: key, incident: incident}
	n.timer = time.AfterFunc(sampleInterval, func() {
		defer Rescue(slog.Default(), "error sampler")
		s.mu.Lock()
		defer s.mu.Unlock()
		s.end(n)
	})
	s.by[key] = s.order.PushBack(n)
	return incident, false
}

// end closes an interval. The mutex is held.
func (s *sampler) end(n *sample) {
	e, ok := s.by[n.key]
	if !ok || e.Value != n {
		return
	}
	n.timer.Stop()
	s.order.Remove(e)
	delete(s.by, n.key)
	if n.count > 0 {
		s.report(*n)
	}
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
