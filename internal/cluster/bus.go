package cluster

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signum-mssp/signum/internal/event"
)

const (
	maxPayload = 7900   // bytes; NOTIFY takes less than 8,000
	maxWaiting = 65_536 // notices that wait to be sent
	// MaxData is the longest data of a notice, in bytes.
	MaxData = 1000

	// afterLoss is the pause after notices could not be sent.
	afterLoss = time.Second

	topicJoined = "joined"
	topicLeft   = "left"
	topicGap    = "gap" // the sender had too many notices, or could not send some
)

// notice is one hint. Neither of its texts holds a line break, and the topic no space.
type notice struct{ topic, data string }

// outbox holds what waits to be sent.
type outbox struct {
	mu      sync.Mutex
	waiting []notice
	some    chan struct{} // capacity 1

	sent, commits atomic.Uint64
}

func newOutbox() outbox { return outbox{some: make(chan struct{}, 1)} }

func (o *outbox) add(n notice) {
	o.mu.Lock()
	if len(o.waiting) >= maxWaiting { // the others look for themselves
		o.waiting = append(o.waiting[:0], notice{topic: topicGap})
	}
	o.waiting = append(o.waiting, n)
	o.mu.Unlock()
	select {
	case o.some <- struct{}{}:
	default:
	}
}

func (o *outbox) take() []notice {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := o.waiting
	o.waiting = nil
	return list
}

// Publish sends a notice to the other nodes. It never blocks. The notice may be lost. The
// topic must not contain a space, data no line break and at most MaxData bytes.
func (c *Cluster) Publish(topic, data string) {
	if c.Peers() == 0 {
		return
	}
	if len(data) > MaxData || strings.Contains(data, "\n") || strings.ContainsAny(topic, " \n") {
		c.log.Error("notice not sent: its form is wrong", "topic", topic, "bytes", len(data))
		return
	}
	c.out.add(notice{topic, data})
}

// send sends notices until ctx ends, and what waits then. A commit with a notice holds a
// lock of the whole database, so there is one at a time, and not one for each notice.
func (c *Cluster) send(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.out.some:
		}
		c.flush(ctx)
		pause(ctx, c.cfg.Coalesce)
	}
}

// pause ends early if ctx does.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (c *Cluster) flush(ctx context.Context) {
	defer event.Rescue(c.log, "notices")
	list := c.out.take()
	if len(list) == 0 {
		return
	}
	if err := c.cfg.Store.Notify(ctx, pack(c.ID(), list)); err != nil {
		if ctx.Err() == nil {
			c.log.WarnContext(ctx, "notices to other nodes were lost; they look for themselves once they hear of it", "count", len(list), "err", err)
			c.out.add(notice{topic: topicGap})
			pause(ctx, afterLoss)
		}
		return
	}
	c.out.sent.Add(uint64(len(list)))
	c.out.commits.Add(1)
}

// pack writes notices as payloads: the sender in the first line, then a notice a line.
func pack(from string, list []notice) (payloads []string) {
	var b strings.Builder
	for _, n := range list {
		line := "\n" + n.topic + " " + n.data
		if b.Len()+len(line) > maxPayload {
			payloads = append(payloads, b.String())
			b.Reset()
		}
		if b.Len() == 0 {
			b.WriteString(from)
		}
		b.WriteString(line)
	}
	return append(payloads, b.String())
}

// unpack is the inverse of pack. Lines that are no notice are left out.
func unpack(payload string) (from string, list []notice) {
	from, rest, _ := strings.Cut(payload, "\n")
	for line := range strings.SplitSeq(rest, "\n") {
		if topic, data, ok := strings.Cut(line, " "); ok && topic != "" {
			list = append(list, notice{topic, data})
		}
	}
	return from, list
}

// subscribers hear notices. They are complete before Run.
type subscribers struct {
	by     map[string][]func(from, data string)
	onGap  []func()
	onLost []func()

	heard, gaps atomic.Uint64
}

func newSubscribers() subscribers {
	return subscribers{by: make(map[string][]func(from, data string))}
}

// Subscribe has f hear the notices of other nodes about a topic, in the order in which each
// node sent them. f must be quick: it holds up all others. It must be called before Run.
func (c *Cluster) Subscribe(topic string, f func(from, data string)) {
	if c != nil {
		c.subs.by[topic] = append(c.subs.by[topic], f)
	}
}

// OnGap has f called when notices may have been lost: after the connection that listens was
// made again, and when another node had too many. It must be called before Run.
func (c *Cluster) OnGap(f func()) {
	if c != nil {
		c.subs.onGap = append(c.subs.onGap, f)
	}
}

// OnLost has f called when nodes have left or died, and when this node was taken for dead: there may
// be something to claim. It must be called before Run.
func (c *Cluster) OnLost(f func()) {
	if c != nil {
		c.subs.onLost = append(c.subs.onLost, f)
	}
}

func (s *subscribers) gap() {
	s.gaps.Add(1)
	for _, f := range s.onGap {
		f()
	}
}

func (s *subscribers) lost() {
	for _, f := range s.onLost {
		f()
	}
}

// listen hears notices until ctx ends, whatever happens to the connection.
func (c *Cluster) listen(ctx context.Context) {
	const first, most = 100 * time.Millisecond, 5 * time.Second
	for wait := first; ; wait = min(2*wait, most) {
		err := c.cfg.Store.Listen(ctx, func() {
			wait = first
			c.listened.Store(true)
			c.beatSoon() // who lives now?
			c.subs.gap()
		}, c.hear)
		c.listened.Store(false)
		if ctx.Err() != nil {
			return
		}
		c.log.WarnContext(ctx, "notices of other nodes do not arrive; this node looks for itself until they do", "err", err)
		pause(ctx, wait/2+rand.N(wait))
	}
}

// hear tells subscribers what is in a payload.
func (c *Cluster) hear(payload string) {
	defer event.Rescue(c.log, "notice")
	from, list := unpack(payload)
	if from == c.ID() {
		return
	}
	c.subs.heard.Add(uint64(len(list)))
	for _, n := range list {
		switch n.topic {
		case topicJoined, topicLeft:
			c.beatSoon()
			if n.topic == topicLeft {
				c.subs.lost()
			}
		case topicGap:
			c.subs.gap()
		}
		for _, f := range c.subs.by[n.topic] {
			f(from, n.data)
		}
	}
}
