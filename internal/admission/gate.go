package admission

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/fair"
)

// Config configures a Gate. Zero values mean the defaults.
type Config struct {
	// QueueAge is how long a request may wait in the queues of the node, whatever time it
	// has; 10 s.
	QueueAge time.Duration
	// MaxMemory is how much memory in bytes may be in use; 0: no limit. See Limit.
	MaxMemory int64
	// Queues are behind the gate.
	Queues []Queue
	Now    func() time.Time // nil: time.Now
	// Begun returns how many messages are worked on that continue what has begun, such as
	// the answers of phones; nil: not known.
	Begun func() int

	// Load and InUse replace what the Go runtime tells, for tests: how long something that
	// can run waits for a processor, and the memory in use.
	Load  func() time.Duration
	InUse func() int64
}

// Queue is a queue behind the gate.
type Queue struct {
	Name string
	// Way is the only one that leads through the queue, such as a method; empty: all do.
	Way string
	// AgeOf returns for how long the entry of a party has waited that has waited longest,
	// and Age the same of all parties.
	AgeOf func(party string) time.Duration
	Age   func() time.Duration
}

// The reasons of refusals, as metrics and the log have them.
const (
	ReasonQueues = "queues"
	ReasonMemory = "memory"
)

// Refusal is the error of a request that is not let in.
type Refusal struct {
	Reason string
	Note   string        // the figures, for the log
	After  time.Duration // when it makes sense to try again
}

func (r *Refusal) Error() string { return "not let in: " + r.Note }

const (
	// patience is which part of its time a request may spend in queues: the user needs the
	// rest.
	patience = 2
	// leastBudget is for requests of a few seconds, which only tests make: a moment in a
	// queue is no overload.
	leastBudget = time.Second
	// again is the least time after which a refused request may come again, and againMax
	// the longest: by then the queues are different.
	again, againMax = time.Second, 30 * time.Second
)

// Gate lets new work in. It is safe for concurrent use.
type Gate struct {
	cfg Config

	mu      sync.Mutex
	valve   valve
	inside  int
	waiting fair.Queue[*waiter]
	grants  pace
	refused map[string]uint64
	memory  int64 // in use, when it was last looked at
}

type waiter struct {
	granted chan struct{} // closed with the place
	gone    bool          // it waits no longer
}

// New returns a gate. Run keeps its figures up to date.
func New(c Config) *Gate {
	if c.QueueAge == 0 {
		c.QueueAge = 10 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Begun == nil {
		c.Begun = func() int { return 0 }
	}
	if c.Load == nil {
		c.Load = newLatency().since
	}
	if c.InUse == nil {
		c.InUse = newMemory().inUse
	}
	return &Gate{cfg: c, valve: newValve(), refused: map[string]uint64{ReasonQueues: 0, ReasonMemory: 0}}
}

// Set changes Config.QueueAge and Config.MaxMemory.
func (g *Gate) Set(queueAge time.Duration, maxMemory int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cfg.QueueAge, g.cfg.MaxMemory = queueAge, maxMemory
}

// Enter waits for the turn of the party. The request has so much time until its end. After
// Enter, unless it returns an error, leave must be called when the request has been handed
// over. The error is a *Refusal, or that of the context.
func (g *Gate) Enter(ctx context.Context, party string, has time.Duration) (leave func(), err error) {
	g.mu.Lock()
	if r := g.judge(party, has); r != nil {
		g.refused[r.Reason]++
		g.mu.Unlock()
		return nil, r
	}
	if g.inside < g.valve.places && g.waiting.Len() == 0 {
		g.inside++
		g.mu.Unlock()
		return g.leave, nil
	}
	now := g.cfg.Now()
	if g.waiting.Len() == 0 {
		g.grants.begin(now)
	}
	w := &waiter{granted: make(chan struct{})}
	g.waiting.Push(party, w, now)
	most := g.budget(has)
	g.mu.Unlock()
	return g.wait(ctx, w, party, most)
}

// budget is how long a request may be in the queues. g.mu is held.
func (g *Gate) budget(has time.Duration) time.Duration {
	return max(min(has/patience, g.cfg.QueueAge), leastBudget)
}

// wait waits for the place of w for so long.
func (g *Gate) wait(ctx context.Context, w *waiter, party string, most time.Duration) (leave func(), err error) {
	late := time.NewTimer(most)
	defer late.Stop()
	select {
	case <-w.granted:
		return g.leave, nil
	case <-late.C:
		err = g.refusal(ReasonQueues, fmt.Sprintf("%s had no turn for %s", party, most), again)
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-w.granted: // meanwhile
		return g.leave, nil
	default:
	}
	w.gone = true
	g.waiting.Trim(party, func(w *waiter) bool { return w.gone })
	if r, ok := err.(*Refusal); ok {
		g.refused[r.Reason]++
	}
	return nil, err
}

// judge returns a refusal if the request cannot be done in its time. g.mu is held.
func (g *Gate) judge(party string, has time.Duration) *Refusal {
	if g.cfg.MaxMemory > 0 && g.memory > g.cfg.MaxMemory {
		return g.refusal(ReasonMemory, fmt.Sprintf("%d MiB of %d MiB are in use", g.memory>>20, g.cfg.MaxMemory>>20), 5*again)
	}
	return g.compare(g.ahead(party)+g.behind(party, ""), has)
}

// Check returns an error, a *Refusal, if the queues on the way of a request take longer
// than it has. Enter has let it in before its way was known.
func (g *Gate) Check(party, way string, has time.Duration) error {
	need := g.behind(party, "")
	if way != "" {
		need += g.behind(party, way)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if r := g.compare(need, has); r != nil {
		g.refused[r.Reason]++
		return r
	}
	return nil
}

// behind is how long the queues behind the gate take that are on a way.
func (g *Gate) behind(party, way string) (need time.Duration) {
	for _, q := range g.cfg.Queues {
		if q.Way == way {
			need += q.AgeOf(party)
		}
	}
	return need
}

// compare returns a refusal if a request needs longer than it may be in the queues. g.mu is
// held.
func (g *Gate) compare(need, has time.Duration) *Refusal {
	may := g.budget(has)
	if need <= may {
		return nil
	}
	return g.refusal(ReasonQueues, fmt.Sprintf("the queues ahead take %s, of %s", need.Round(time.Millisecond), may), need-may)
}

// ahead estimates how long a request of the party would wait for its turn.
func (g *Gate) ahead(party string) time.Duration {
	if g.waiting.Len() == 0 {
		return 0
	}
	keys, mine := g.waiting.Keys(), g.waiting.LenOf(party)
	if mine == 0 {
		keys++
	}
	turns := min((mine+1)*keys, g.waiting.Len()+1) // a party with fewer requests leaves its turns to others
	return max(time.Duration(turns)*g.grants.each(g.cfg.Now()), g.age(g.waiting.OldestOf(party)))
}

func (g *Gate) refusal(reason, note string, after time.Duration) *Refusal {
	return &Refusal{Reason: reason, Note: note, After: min(max(after, again), againMax)}
}

// leave gives a place back.
func (g *Gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	g.fill()
}

// fill lets in as many as there are places for. g.mu is held.
func (g *Gate) fill() {
	for g.inside < g.valve.places {
		w, ok := g.waiting.Pop()
		if !ok {
			return
		}
		if w.gone {
			continue
		}
		g.inside++
		g.grants.note(g.cfg.Now())
		close(w.granted)
	}
}

// Age returns for how long the request has waited that has waited longest.
func (g *Gate) Age() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.age(g.waiting.Oldest())
}

func (g *Gate) age(at time.Time) time.Duration {
	if at.IsZero() {
		return 0
	}
	return max(g.cfg.Now().Sub(at), 0)
}

// Ages returns the age of each queue.
func (g *Gate) Ages() map[string]time.Duration {
	ages := map[string]time.Duration{"admission": g.Age()}
	for _, q := range g.cfg.Queues {
		ages[q.Name] = q.Age()
	}
	return ages
}

// lateAfter is how old an entry of a queue is when the node is late.
const lateAfter = time.Second

// Late reports whether answers to what the node has asked may be in its queues, or in front
// of it, so that silence says nothing.
func (g *Gate) Late() bool {
	g.mu.Lock()
	crowd := g.valve.begun.standing()
	g.mu.Unlock()
	return crowd || slices.ContainsFunc(g.cfg.Queues, func(q Queue) bool { return q.Age() > lateAfter })
}

// Places returns how many requests may be inside at a time.
func (g *Gate) Places() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.valve.places
}

// Refused returns how many requests were refused, by reason.
func (g *Gate) Refused() map[string]uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := make(map[string]uint64, len(g.refused))
	for reason, count := range g.refused {
		n[reason] = count
	}
	return n
}

const (
	tick = 20 * time.Millisecond  // how often the load is looked at
	look = 250 * time.Millisecond // how often the memory is looked at
)

// Run keeps the figures of the gate up to date until the context ends.
func (g *Gate) Run(ctx context.Context) error {
	t := time.NewTicker(tick)
	defer t.Stop()
	for n := 0; ; n++ {
		if n%int(look/tick) == 0 {
			used := g.cfg.InUse()
			g.mu.Lock()
			g.memory = used
			g.mu.Unlock()
		}
		g.adjust()
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// adjust fits the number of places to the load.
func (g *Gate) adjust() {
	load, begun := g.cfg.Load(), g.cfg.Begun()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.valve.adjust(load, begun, g.waiting.Len() > 0)
	g.fill()
}
