// Package clustertest has what tests of several nodes need instead of a PostgreSQL.
package clustertest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
)

// Database is a mssp.ClusterStore in memory. Its clock is that of the process, which
// testing/synctest can replace. Nodes that share it see each other.
type Database struct {
	mu     sync.Mutex
	ahead  time.Duration
	down   error
	losing error // of Notify
	nodes  []*node
	leases map[string]*lease
	ears   map[*ear]struct{}
}

type node struct {
	mssp.ClusterNode
	fenced bool
}

type lease struct {
	owner   string
	epoch   int64
	expires time.Time
}

type ear struct {
	notices chan string
	broken  chan error
}

var _ mssp.ClusterStore = (*Database)(nil)

// New returns a database without nodes.
func New() *Database {
	return &Database{leases: make(map[string]*lease), ears: make(map[*ear]struct{})}
}

// SetAhead sets the clock of the database, by how much it is ahead of that of the process.
func (d *Database) SetAhead(ahead time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ahead = ahead
}

// Fail has all calls fail from now on, and breaks the connections that listen; nil ends that.
func (d *Database) Fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down = err; err == nil {
		return
	}
	d.breakAll(err)
}

// LoseNotices has notices fail from now on, and nothing else; nil ends that.
func (d *Database) LoseNotices(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.losing = err
}

// BreakListeners breaks the connections that listen.
func (d *Database) BreakListeners() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.breakAll(errors.New("connection lost"))
}

func (d *Database) breakAll(err error) {
	for e := range d.ears {
		delete(d.ears, e)
		e.broken <- err
	}
}

func (d *Database) now() time.Time { return time.Now().Add(d.ahead) }

func (d *Database) living(id string) *node {
	i := slices.IndexFunc(d.nodes, func(n *node) bool { return n.ID == id && !n.fenced })
	if i < 0 {
		return nil
	}
	return d.nodes[i]
}

// Join implements mssp.ClusterStore.
func (d *Database) Join(_ context.Context, n mssp.ClusterNode, takeOver bool) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down != nil {
		return 0, d.down
	}
	used := make(map[int]bool)
	for _, o := range d.nodes {
		if takeOver && o.Name == n.Name {
			o.fenced = true
		}
		used[o.Slot] = used[o.Slot] || !o.fenced
	}
	for n.Slot = 0; used[n.Slot]; n.Slot++ {
	}
	if n.Slot >= mssp.MaxNodes {
		return 0, mssp.ErrSlots
	}
	n.Started, n.Beat = d.now(), d.now()
	d.nodes = append(d.nodes, &node{ClusterNode: n})
	return n.Slot, nil
}

// Beat implements mssp.ClusterStore.
func (d *Database) Beat(_ context.Context, id string) (b mssp.Beat, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down != nil {
		return b, d.down
	}
	me := d.living(id)
	if me == nil {
		return b, mssp.ErrFenced
	}
	me.ClusterNode.Beat = d.now()
	b.Now = d.now()
	for _, n := range d.nodes {
		if n != me && !n.fenced {
			b.Others = append(b.Others, n.ClusterNode)
		}
	}
	return b, nil
}

// Fence implements mssp.ClusterStore.
func (d *Database) Fence(_ context.Context, id string, older time.Duration) (fenced int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down != nil || d.living(id) == nil {
		return 0, d.down
	}
	for _, n := range d.nodes {
		if n.ID != id && !n.fenced && d.now().Sub(n.ClusterNode.Beat) > older {
			n.fenced = true
			fenced++
		}
	}
	return fenced, nil
}

// Leave implements mssp.ClusterStore.
func (d *Database) Leave(_ context.Context, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := d.living(id); n != nil && d.down == nil {
		n.fenced = true
	}
	return d.down
}

// Fenced reports whether the node of this id is no longer one.
func (d *Database) Fenced(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.living(id) == nil
}

// Notify implements mssp.ClusterStore.
func (d *Database) Notify(_ context.Context, notices []string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.losing != nil {
		return d.losing
	}
	for e := range d.ears {
		for _, n := range notices {
			e.notices <- n
		}
	}
	return d.down
}

// Listen implements mssp.ClusterStore.
func (d *Database) Listen(ctx context.Context, ready func(), heard func(string)) error {
	e := &ear{notices: make(chan string, 10_000), broken: make(chan error, 1)}
	d.mu.Lock()
	if d.down != nil {
		defer d.mu.Unlock()
		return d.down
	}
	d.ears[e] = struct{}{}
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.ears, e)
	}()
	ready()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-e.broken:
			return err
		case n := <-e.notices:
			heard(n)
		}
	}
}

// NextNumber implements mssp.ClusterStore.
func (d *Database) NextNumber(_ context.Context, name string, least int64) (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.leases["number "+name]
	if l == nil {
		l = new(lease)
		d.leases["number "+name] = l
	}
	l.epoch = max(l.epoch+1, least)
	return l.epoch, d.down
}

// TakeLease implements mssp.ClusterStore.
func (d *Database) TakeLease(_ context.Context, name, owner string, life time.Duration) (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down != nil {
		return 0, d.down
	}
	l := d.leases[name]
	switch {
	case l == nil:
		l = &lease{owner: owner, epoch: 1}
		d.leases[name] = l
	case l.owner != owner && d.now().Before(l.expires):
		return 0, nil
	case l.owner != owner:
		l.owner, l.epoch = owner, l.epoch+1
	}
	l.expires = d.now().Add(life)
	return l.epoch, nil
}
