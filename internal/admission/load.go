package admission

import (
	"math"
	"runtime/metrics"
	"time"
)

// latency tells how long goroutines wait for a processor.
type latency struct {
	sample []metrics.Sample
	before []uint64
}

func newLatency() *latency {
	return &latency{sample: []metrics.Sample{{Name: "/sched/latencies:seconds"}}}
}

// busiest is which part of the goroutines waits longer than what since returns.
const busiest = 10

// since returns how long those waited, in the time since the last call, that waited long.
func (l *latency) since() time.Duration {
	metrics.Read(l.sample)
	if l.sample[0].Value.Kind() != metrics.KindFloat64Histogram {
		return 0
	}
	h := l.sample[0].Value.Float64Histogram()
	if len(l.before) != len(h.Counts) {
		l.before = make([]uint64, len(h.Counts))
	}
	var total uint64
	for i, n := range h.Counts {
		l.before[i], h.Counts[i] = n, n-l.before[i] // h is read again before it is used again
		total += h.Counts[i]
	}
	left := total / busiest
	for i := len(h.Counts) - 1; i >= 0 && total > 0; i-- {
		if h.Counts[i] > left {
			if at := h.Buckets[i]; at > 0 && !math.IsInf(at, 0) {
				return time.Duration(at * float64(time.Second))
			}
			return 0
		}
		left -= h.Counts[i]
	}
	return 0
}

// memory tells how much of it is in use.
type memory struct{ sample []metrics.Sample }

func newMemory() *memory {
	return &memory{[]metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}}
}

// inUse returns the memory that the last collection found in use, and the stacks. What the
// next collection frees does not count.
func (m *memory) inUse() (n int64) {
	metrics.Read(m.sample)
	for _, s := range m.sample {
		if s.Value.Kind() == metrics.KindUint64 {
			n += int64(s.Value.Uint64())
		}
	}
	return n
}
