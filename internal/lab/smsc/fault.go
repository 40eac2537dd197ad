package smsc

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Direction is the direction of a message.
type Direction int

// The directions.
const (
	ToPhone Direction = iota // submit_sm
	ToESME                   // deliver_sm: messages of phones, and receipts
	directions
)

// Faults says what goes wrong with the messages of one direction. The float64
// fields are probabilities per message, from 0 to 1.
type Faults struct {
	// Loss: the message is acknowledged to its sender and then lost.
	Loss float64
	// Duplicate: the message is delivered twice.
	Duplicate float64
	// Reorder: the message waits until another message of the same phone has
	// overtaken it, but not longer than Config.ReorderWait.
	Reorder float64
	// Each message is delivered after Delay and up to DelayJitter more.
	Delay, DelayJitter time.Duration
	// Throttle: a submit_sm is answered with ESME_RTHROTTLED; Submit returns
	// ErrCongested. Receipts are not throttled.
	Throttle float64
	// Disconnect: the connection is cut in the middle of the exchange; in half of
	// the cases before the message was accepted, in the other half after it.
	Disconnect float64
}

// Injected counts the injected faults of one direction.
type Injected struct {
	Lost, Duplicated, Reordered, Delayed, Throttled, Disconnected uint64
	Full                                                          uint64 // refused with ESME_RMSGQFUL; see SetFull
}

// fate is what will happen to one message.
type fate struct {
	lost, twice, held, throttled bool
	cut                          cut
	delay                        time.Duration
}

type cut int

const (
	notCut cut = iota
	cutBefore
	cutAfter
)

// injector draws the faults of the messages of one direction.
type injector struct {
	mu     sync.Mutex
	rng    *rand.Rand
	faults Faults
	full   map[string]bool // numbers
	n      Injected
}

func newInjector(seed uint64, d Direction, f Faults) *injector {
	return &injector{rng: rand.New(rand.NewPCG(seed, uint64(d))), faults: f}
}

func (i *injector) set(f Faults) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.faults = f
}

func (i *injector) setFull(numbers []string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.full = make(map[string]bool)
	for _, n := range numbers {
		i.full[n] = true
	}
}

// isFull reports whether the queue of a number is full.
func (i *injector) isFull(msisdn string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.full[msisdn] {
		i.n.Full++
	}
	return i.full[msisdn]
}

func (i *injector) injected() Injected {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.n
}

// next draws the fate of the next message. It always takes the same number of
// random numbers, so that changing one fault does not change the others.
func (i *injector) next() fate {
	i.mu.Lock()
	defer i.mu.Unlock()
	var u [7]float64
	for k := range u {
		u[k] = i.rng.Float64()
	}
	f := i.faults
	if u[0] < f.Throttle {
		i.n.Throttled++
		return fate{throttled: true}
	}
	var m fate
	if u[1] < f.Disconnect {
		i.n.Disconnected++
		m.cut = cutAfter
		if u[2] < 0.5 {
			m.cut = cutBefore
		}
	}
	if u[3] < f.Loss {
		i.n.Lost++
		m.lost = true
		return m
	}
	if m.twice = u[4] < f.Duplicate; m.twice {
		i.n.Duplicated++
	}
	if m.held = u[5] < f.Reorder; m.held {
		i.n.Reordered++
	}
	if m.delay = f.Delay + time.Duration(u[6]*float64(f.DelayJitter)); m.delay > 0 {
		i.n.Delayed++
	}
	return m
}
