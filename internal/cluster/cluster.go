package cluster

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

// Config configures a Cluster. Store and Name must be set; zero durations mean the
// defaults.
type Config struct {
	Store   mssp.ClusterStore
	Name    string // of the place: the same after a restart, and no other node has it
	Address string // for people who look at the list of nodes
	Version string
	Logger  *slog.Logger

	Every     time.Duration // between beats; 2 s
	DeadAfter time.Duration // silence after which a node is dead, at least three beats; 10 s
	Coalesce  time.Duration // notices within this time are sent together; 5 ms
}

// Cluster is the membership of this node. It is safe for concurrent use; a nil one is
// that of a node alone.
type Cluster struct {
	cfg  Config
	log  *slog.Logger
	out  outbox
	subs subscribers
	beat chan struct{} // asks for a beat at once; capacity 1

	mu       sync.Mutex
	id       string
	slot     int
	others   []mssp.ClusterNode
	until    time.Time // the lease is valid; by the monotonic clock
	steady   time.Time // since when no beat has failed; zero: the last one has
	clock    clock
	fences   uint64
	left     bool
	listened atomic.Bool
}

// Metrics are figures of the cluster.
type Metrics struct {
	Nodes     int           // that live, this one included
	Offset    time.Duration // by how much the clock of this machine is ahead of the database's
	Listening bool          // notices of others arrive
	Fenced    uint64        // how often this node was taken for dead
	Sent      uint64        // notices
	Commits   uint64        // in which they were sent
	Heard     uint64        // notices of others
	Gaps      uint64        // how often notices of others may have been lost
}

// New returns a cluster that has not joined yet.
func New(c Config) (*Cluster, error) {
	if c.Store == nil || c.Name == "" {
		return nil, errors.New("cluster: a store and a name are needed")
	}
	c.Every = cmp.Or(c.Every, 2*time.Second)
	c.DeadAfter = cmp.Or(c.DeadAfter, 10*time.Second)
	c.Coalesce = cmp.Or(c.Coalesce, 5*time.Millisecond)
	if c.DeadAfter < 3*c.Every {
		return nil, fmt.Errorf("cluster: a node is dead after %s, but it beats every %s only", c.DeadAfter, c.Every)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Cluster{cfg: c, log: c.Logger, out: newOutbox(), subs: newSubscribers(), beat: make(chan struct{}, 1)}, nil
}

// Join makes this node one of the cluster, in the place of an earlier process of its name. It
// must be called once, before Run.
func (c *Cluster) Join(ctx context.Context) error { return c.join(ctx, true) }

func (c *Cluster) join(ctx context.Context, takeOver bool) error {
	n := mssp.ClusterNode{ID: "n-" + rand.Text()[:12], Name: c.cfg.Name, Address: c.cfg.Address, Version: c.cfg.Version}
	began := time.Now()
	slot, err := c.cfg.Store.Join(ctx, n, takeOver)
	if err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	c.mu.Lock()
	c.id, c.slot, c.until, c.steady = n.ID, slot, began.Add(c.lease()), began
	c.mu.Unlock()
	if err := c.beatOnce(ctx); err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	c.log.InfoContext(ctx, "joined the cluster", "node", n.ID, "slot", slot, "peers", c.Peers())
	c.out.add(notice{topic: topicJoined}) // whatever Peers says
	return nil
}

// lease is for how long a beat lets this node act as an owner. It ends before others
// take the node for dead, however slow the beat was.
func (c *Cluster) lease() time.Duration { return c.cfg.DeadAfter - c.cfg.Every/2 }

// ID returns the id of this node; empty if it is alone. It changes when the node joins again.
func (c *Cluster) ID() string {
	if c == nil {
		return ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.id
}

// Slot returns a number from 0 to mssp.MaxNodes-1 that no other living node has.
func (c *Cluster) Slot() int {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.slot
}

// Peers returns how many other nodes live.
func (c *Cluster) Peers() int {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.others)
}

// Others returns the other nodes that live.
func (c *Cluster) Others() []mssp.ClusterNode {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.others // replaced as a whole
}

// Holds reports whether this node may act as the owner of what its rows say that it
// owns. If not, others may have claimed it.
func (c *Cluster) Holds() bool {
	if c == nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.left && time.Now().Before(c.until)
}

// Now returns the time by the clock of the database; that of this machine if the node is
// alone. A clock of this machine that is set does not change it.
func (c *Cluster) Now() time.Time {
	if c == nil {
		return time.Now()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.clock.at(time.Now())
}

// Listening reports whether notices of others arrive.
func (c *Cluster) Listening() bool { return c != nil && c.listened.Load() }

// Lease makes this node the one that does the work of that name until d has passed,
// unless another one does it. A node that is alone does all work.
func (c *Cluster) Lease(ctx context.Context, name string, d time.Duration) (bool, error) {
	if c == nil {
		return true, nil
	}
	if !c.Holds() {
		return false, nil
	}
	epoch, err := c.cfg.Store.TakeLease(ctx, name, c.ID(), d)
	return epoch != 0, err
}

// NextCRLNumber returns the next number of a CRL for all nodes: see mssp.ClusterStore.
func (c *Cluster) NextCRLNumber(ctx context.Context, least int64) (int64, error) {
	return c.cfg.Store.NextNumber(ctx, "crl", least)
}

// Metrics returns the figures of now.
func (c *Cluster) Metrics() Metrics {
	if c == nil {
		return Metrics{Nodes: 1}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	m := Metrics{Nodes: len(c.others) + 1, Offset: c.clock.offset(time.Now()), Listening: c.listened.Load(), Fenced: c.fences}
	m.Sent, m.Commits = c.out.sent.Load(), c.out.commits.Load()
	m.Heard, m.Gaps = c.subs.heard.Load(), c.subs.gaps.Load()
	return m
}

// Run beats, sends notices and listens for those of others, until ctx ends.
func (c *Cluster) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for what, f := range map[string]func(context.Context){"beats": c.beats, "notices": c.send, "listener": c.listen} {
		wg.Go(func() {
			defer event.Rescue(c.log, "cluster "+what)
			f(ctx)
		})
	}
	wg.Wait()
	return nil
}

// Leave lets others claim at once what this node owns. It is to be called after
// everything that acts for the cluster has ended.
func (c *Cluster) Leave(ctx context.Context) error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	c.left = true
	c.mu.Unlock()
	if err := c.cfg.Store.Leave(ctx, c.ID()); err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	n := notice{topic: topicLeft}
	return c.cfg.Store.Notify(ctx, pack(c.ID(), []notice{n}))
}
