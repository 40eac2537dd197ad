package admission

import (
	"runtime"
	"time"
)

const (
	mostPlaces = 1024
	fewPlaces  = 2 // for each processor
	// tolerated is how long what can run may wait for a processor before fewer are let in.
	// A request is passed on some twenty times on its way, and waits each time.
	tolerated = 2 * time.Millisecond
)

// valve is how many may be inside at a time.
type valve struct {
	least, places int
	begun         crowd
}

func newValve() valve {
	least := fewPlaces * runtime.GOMAXPROCS(0)
	return valve{least: least, places: max(least, 64)}
}

// adjust lets fewer in, fast, if the load is above what is tolerated, or if what has begun
// cannot keep up, and more, slowly, if neither is so and some wait.
func (v *valve) adjust(load time.Duration, begun int, wanted bool) {
	v.begun.add(begun)
	switch {
	case load > tolerated || v.begun.standing():
		v.places = max(v.least, v.places*7/8)
	case wanted:
		v.places = min(mostPlaces, v.places+1+v.places/16)
	}
}

// crowd notices when messages that continue what has begun, such as the answers of phones,
// queue up where they come from. That queue is not visible, but then the number of those
// that are worked on stays about as high as the window allows, whatever the window is.
// Without a queue it varies a lot.
type crowd struct {
	mean float64 // of the last tenths of a second
	peak float64 // of the last seconds
}

const (
	leastCrowd = 4 // fewer at a time are no crowd
	nearPeak   = 0.7
	meanWeight = 1. / 12 // of a sample
	peakDecay  = 0.998
)

func (c *crowd) add(sample int) {
	c.mean += (float64(sample) - c.mean) * meanWeight
	c.peak = max(c.peak*peakDecay, float64(sample))
}

// standing reports whether there is a queue.
func (c *crowd) standing() bool { return c.mean >= leastCrowd && c.mean >= nearPeak*c.peak }

// pace is how often something happens while it is waited for.
type pace struct {
	last     time.Time
	now, old span
}

// span is some time during which it was waited for.
type span struct {
	n   int
	dur time.Duration
}

const (
	spanLength = 2 * time.Second // then a new one begins, and the last but one is forgotten
	leastSpan  = time.Second     // less says nothing: it may be a moment
)

// begin says that from now on it is waited for.
func (p *pace) begin(now time.Time) { p.last = now }

// note says that it has happened.
func (p *pace) note(now time.Time) {
	p.now.n++
	p.now.dur += now.Sub(p.last)
	if p.last = now; p.now.dur > spanLength {
		p.old, p.now = p.now, span{}
	}
}

// each returns the time between two; 0 if it is not known.
func (p *pace) each(now time.Time) time.Duration {
	d := p.old.dur + p.now.dur + now.Sub(p.last)
	if d < leastSpan {
		return 0
	}
	return d / time.Duration(max(1, p.old.n+p.now.n))
}
