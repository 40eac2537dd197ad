package cluster

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

// failed is the pause after a beat that failed.
const failed = 500 * time.Millisecond

// beats tells the others that this node lives, until ctx ends.
func (c *Cluster) beats(ctx context.Context) {
	for next := c.cfg.Every; ; {
		select {
		case <-ctx.Done():
			return
		case <-c.beat:
		case <-time.After(next):
		}
		next = c.turn(ctx)
	}
}

func (c *Cluster) beatSoon() {
	select {
	case c.beat <- struct{}{}:
	default:
	}
}

// turn makes one beat, and returns when the next one is due.
func (c *Cluster) turn(ctx context.Context) (next time.Duration) {
	next = c.cfg.Every
	var err error
	defer func() {
		if err != nil && ctx.Err() == nil {
			next = failed/2 + rand.N(failed)
			c.log.WarnContext(ctx, "the cluster does not hear of this node", "err", err)
		}
	}()
	defer event.RescueTo(&err, c.log, "beat")
	err = c.beatOnce(ctx)
	if errors.Is(err, mssp.ErrFenced) {
		err = c.rejoin(ctx)
	}
	if err == nil {
		err = c.fence(ctx)
	}
	return next
}

// rejoin follows when others took this node for dead. What it owned, they may have claimed.
func (c *Cluster) rejoin(ctx context.Context) error {
	c.mu.Lock()
	c.until = time.Time{}
	c.fences++
	was := c.id
	c.mu.Unlock()
	c.log.WarnContext(ctx, "other nodes took this one for dead, because it was silent for too long; joining again", "node", was)
	if err := c.join(ctx, false); err != nil {
		return err
	}
	c.subs.lost()
	return nil
}

func (c *Cluster) beatOnce(ctx context.Context) error {
	began := time.Now()
	b, err := c.cfg.Store.Beat(ctx, c.ID())
	if c.learn(began, &b, err) {
		c.subs.lost()
	}
	return err
}

// learn takes the result of a beat. It reports whether a node is gone.
func (c *Cluster) learn(began time.Time, b *mssp.Beat, err error) (gone bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.steady = time.Time{}
		return false
	}
	if c.steady.IsZero() {
		c.steady = began
	}
	c.until = began.Add(c.lease())
	c.clock.learn(began, time.Now(), b.Now)
	for _, o := range c.others {
		gone = gone || !slices.ContainsFunc(b.Others, func(n mssp.ClusterNode) bool { return n.ID == o.ID })
	}
	c.others = b.Others
	return gone
}

// fence takes silent nodes for dead. After an outage of the database, all have been
// silent: they get time to say that they live.
func (c *Cluster) fence(ctx context.Context) error {
	c.mu.Lock()
	steady := !c.steady.IsZero() && time.Since(c.steady) >= c.cfg.DeadAfter
	c.mu.Unlock()
	if !steady {
		return nil
	}
	n, err := c.cfg.Store.Fence(ctx, c.ID(), c.cfg.DeadAfter)
	if err != nil || n == 0 {
		return err
	}
	c.log.WarnContext(ctx, "nodes are dead: they were silent for too long", "count", n)
	c.out.add(notice{topic: topicLeft})
	return c.beatOnce(ctx)
}
