package group

import (
	"context"
	"slices"
	"time"

	"github.com/signum-mssp/signum/internal/event"
)

const (
	// bindTime is how long the new SMSCs have to bind before those that they replace are
	// unbound anyway: an SMSC may refuse a second bind until the first has ended.
	bindTime = 15 * time.Second
	// finishTime is how long an SMSC that was replaced has for the messages on the way.
	finishTime = 30 * time.Second
)

// Change is another list of SMSCs, which has been checked.
type Change struct {
	g    *Group
	list []*member // new ones, and nil for those that stay
	to   []SMSC
}

// Change checks a list of SMSCs. Apply makes it the list of the group. There must be no
// other Change between the two.
func (g *Group) Change(list []SMSC) (*Change, error) {
	if len(list) == 0 {
		return nil, errNone
	}
	g.mu.Lock()
	now := g.members
	g.mu.Unlock()
	c := &Change{g: g, to: list}
	for _, s := range list {
		var m *member
		if named(now, s.Name, s.Connection) == nil {
			var err error
			if m, err = g.member(s); err != nil {
				return nil, err
			}
		}
		c.list = append(c.list, m)
	}
	return c, nil
}

// named returns the SMSC with a name and a connection, or nil.
func named(list []*member, name string, connection any) *member {
	i := slices.IndexFunc(list, func(m *member) bool { return m.name == name && m.connection == connection })
	if i < 0 {
		return nil
	}
	return list[i]
}

// Apply takes the list over. SMSCs whose connection is the same keep their sessions. The
// others of the list before get messages until all new ones are bound. Then they finish
// what they have begun, and are unbound.
func (c *Change) Apply() {
	g := c.g
	g.mu.Lock()
	defer g.mu.Unlock()
	var list, added []*member
	for i, m := range c.list {
		s := c.to[i]
		if m == nil {
			m = named(g.members, s.Name, s.Connection)
			m.weight, m.style = s.Weight, &s.Style
		} else {
			if old := slices.IndexFunc(g.members, func(o *member) bool { return o.name == m.name }); old >= 0 {
				m.counts = g.members[old].counts
			}
			m.bound = make(chan struct{})
			added = append(added, m)
		}
		list = append(list, m)
	}
	gone := without(g.members, list)
	g.members = list
	if g.live == nil { // Run starts the new ones, and has not started the others
		return
	}
	g.replaced = slices.Concat(g.replaced, gone)
	var bound []<-chan struct{}
	for _, m := range added {
		bound = append(bound, m.bound)
		g.start(m)
	}
	live := g.live
	live.work.Go(func() {
		defer event.Rescue(list[0].client.Logger(), "change of SMSCs")
		g.handOver(live.ctx, bound, gone)
	})
}

func without(list, others []*member) []*member {
	return slices.DeleteFunc(slices.Clone(list), func(m *member) bool { return slices.Contains(others, m) })
}

// handOver waits for the new SMSCs, and ends the old ones. When ctx ends, all end.
func (g *Group) handOver(ctx context.Context, bound []<-chan struct{}, gone []*member) {
	await(ctx, bindTime, bound)
	g.mu.Lock()
	g.replaced, g.leaving = without(g.replaced, gone), slices.Concat(g.leaving, gone)
	g.release()
	var unused []<-chan struct{}
	for _, m := range gone {
		if m.uses > 0 {
			m.unused = make(chan struct{})
			unused = append(unused, m.unused)
		}
	}
	g.mu.Unlock()
	await(ctx, finishTime, unused)
	for _, m := range gone {
		m.stop()
		m.client.Logger().Info("the SMSC is no longer used")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.leaving = without(g.leaving, gone)
}

// await returns when all channels are closed, or ctx ends, or the time is up.
func await(ctx context.Context, most time.Duration, all []<-chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for _, c := range all {
		select {
		case <-c:
		case <-ctx.Done():
			return
		}
	}
}
