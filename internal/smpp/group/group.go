package group

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/smpp"
)

// SMSC is one SMSC of a Group.
type SMSC struct {
	Name   string // unique; in logs, metrics and traces
	Weight int    // its share of the messages; 0: standby, used only while no other works
	Style  Style
	Client smpp.ClientConfig // its Name and Changed are set by the group
}

// Group sends messages by several SMSCs. It is safe for concurrent use.
type Group struct {
	members []*member
	roll    func(n int) int // replaced by tests

	mu sync.Mutex // guards the members' sessions and waiting
}

type member struct {
	name   string
	weight int
	style  Style
	client *smpp.Client

	taken, refused, unanswered, unsent atomic.Uint64

	sessions smpp.Sessions
	waiting  map[*context.CancelCauseFunc]struct{} // Submit calls
}

// New makes the clients. Run connects them.
func New(list []SMSC) (*Group, error) {
	g := &Group{roll: rand.IntN}
	for _, s := range list {
		m := &member{name: s.Name, weight: s.Weight, style: s.Style, waiting: make(map[*context.CancelCauseFunc]struct{})}
		s.Client.Name = s.Name
		s.Client.Changed = func(now smpp.Sessions) { g.changed(m, now) }
		var err error
		if m.client, err = smpp.NewClient(s.Client); err != nil {
			return nil, fmt.Errorf("SMSC %s: %w", s.Name, err)
		}
		g.members = append(g.members, m)
	}
	if len(g.members) == 0 {
		return nil, errors.New("group: no SMSC")
	}
	return g, nil
}

// Run keeps the sessions of all SMSCs bound until the context ends; see
// smpp.Client.Run.
func (g *Group) Run(ctx context.Context) error {
	errs := make([]error, len(g.members))
	var clients sync.WaitGroup
	for i, m := range g.members {
		clients.Go(func() {
			defer event.RescueTo(&errs[i], m.client.Logger(), "SMSC client")
			errs[i] = m.client.Run(ctx)
		})
	}
	clients.Wait()
	return errors.Join(errs...)
}

// Submit sends a message or a part of one, and returns the message id of the SMSC; see
// smpp.Client.Submit.
type Submit func(ctx context.Context, m *smpp.SubmitSM) (messageID string, err error)

// Route is the way of one message.
type Route struct {
	Name   string // of the SMSC
	Style  *Style
	Submit Submit
}

// Sender sends messages: Group.Send.
type Sender func(ctx context.Context, send func(*Route) error) error

// Send calls send with the route of a message. If that finds its SMSC not bound (an
// error that is smpp.ErrUnbound), Send calls it again with another route, as long as
// there is one with a session.
func (g *Group) Send(ctx context.Context, send func(*Route) error) error {
	tried := make(map[int]bool)
	for {
		i := g.choose(func(i int) bool { return !tried[i] })
		m := g.members[i]
		err := send(&Route{Name: m.name, Style: &m.style, Submit: func(ctx context.Context, s *smpp.SubmitSM) (string, error) {
			return g.submit(ctx, m, s)
		}})
		if tried[i] = true; ctx.Err() != nil || !errors.Is(err, smpp.ErrUnbound) || !g.other(tried) {
			return err
		}
	}
}

// choose returns the index of an SMSC, or -1.
func (g *Group) choose(may func(int) bool) int {
	all := make([]candidate, len(g.members))
	for i, m := range g.members {
		all[i] = candidate{weight: m.weight, throttled: m.client.Throttled()}
	}
	g.mu.Lock()
	for i, m := range g.members {
		all[i].submits, all[i].bothWays = m.sessions.Submit() > 0, m.sessions.BothWays()
	}
	g.mu.Unlock()
	return choose(all, may, g.roll)
}

// other reports whether an SMSC that was not tried has a session.
func (g *Group) other(tried map[int]bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, m := range g.members {
		if !tried[i] && m.sessions.Submit() > 0 {
			return true
		}
	}
	return false
}

// submit is the Submit of a Route. It returns smpp.ErrUnbound at once when its SMSC has
// no session and another one has.
func (g *Group) submit(ctx context.Context, m *member, s *smpp.SubmitSM) (messageID string, err error) {
	ctx, leave := g.enter(ctx, m)
	defer leave()
	id, err := m.client.Submit(ctx, s)
	if errors.Is(err, smpp.ErrUnbound) && !errors.Is(err, smpp.ErrTimeout) && context.Cause(ctx) == errElsewhere {
		err = errElsewhere
	}
	switch {
	case err == nil:
		m.taken.Add(1)
	case errors.Is(err, smpp.ErrTimeout):
		m.unanswered.Add(1)
	case errors.Is(err, smpp.ErrUnbound):
		m.unsent.Add(1)
	default:
		m.refused.Add(1)
	}
	return id, err
}

// errElsewhere ends the waiting for an SMSC without a session.
var errElsewhere = fmt.Errorf("%w: another SMSC is", smpp.ErrUnbound)

// enter returns a context that ends when the SMSC has no session and another one has.
// What was sent by then has failed with its session. After enter, leave must be called.
func (g *Group) enter(ctx context.Context, m *member) (_ context.Context, leave func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	m.waiting[&cancel] = struct{}{}
	g.release()
	return ctx, func() {
		cancel(nil)
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(m.waiting, &cancel)
	}
}

// changed notes which sessions of an SMSC are bound.
func (g *Group) changed(m *member, now smpp.Sessions) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m.sessions = now
	g.release()
}

// release ends the waiting for SMSCs without a session, if another has one. The lock is
// held.
func (g *Group) release() {
	submits := false
	for _, m := range g.members {
		submits = submits || m.sessions.Submit() > 0
	}
	for _, m := range g.members {
		if !submits || m.sessions.Submit() > 0 {
			continue
		}
		for cancel := range m.waiting {
			(*cancel)(errElsewhere)
		}
	}
}
