package group

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
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
	// Connection is comparable, and stands for everything in Client: Update keeps the
	// sessions of an SMSC if it is the same.
	Connection any
}

// Group sends messages by several SMSCs. It is safe for concurrent use.
type Group struct {
	roll func(n int) int // replaced by tests

	mu sync.Mutex // guards what follows, and what changes in members
	// members are those of the configuration. replaced are those of the configuration
	// before, which get messages until the new ones are bound, and leaving those that only
	// finish what they have begun. The slices are replaced, never changed.
	members, replaced, leaving []*member
	live                       *running // nil unless Run runs
}

type member struct {
	name       string
	connection any
	client     *smpp.Client
	counts     *counts

	weight int
	style  *Style

	sessions smpp.Sessions
	waiting  map[*context.CancelCauseFunc]struct{} // Submit calls
	uses     int                                   // Send calls
	unused   chan struct{}                         // closed when there are none; nil: nobody waits
	bound    chan struct{}                         // closed when it is bound for both directions; nil: nobody waits
	stop     context.CancelFunc                    // of its client; nil before Run
}

// counts are those of an SMSC, which has them through all its connections.
type counts struct{ taken, refused, unanswered, unsent atomic.Uint64 }

// New makes the clients. Run connects them.
func New(list []SMSC) (*Group, error) {
	g := &Group{roll: rand.IntN}
	for _, s := range list {
		m, err := g.member(s)
		if err != nil {
			return nil, err
		}
		g.members = append(g.members, m)
	}
	if len(g.members) == 0 {
		return nil, errNone
	}
	return g, nil
}

var errNone = errors.New("group: no SMSC")

func (g *Group) member(s SMSC) (*member, error) {
	m := &member{
		name: s.Name, connection: s.Connection, weight: s.Weight, style: &s.Style, counts: new(counts),
		waiting: make(map[*context.CancelCauseFunc]struct{}),
	}
	s.Client.Name = s.Name
	s.Client.Changed = func(now smpp.Sessions) { g.changed(m, now) }
	var err error
	if m.client, err = smpp.NewClient(s.Client); err != nil {
		return nil, fmt.Errorf("SMSC %s: %w", s.Name, err)
	}
	return m, nil
}

// running are the clients that run.
type running struct {
	ctx  context.Context
	work sync.WaitGroup
	mu   sync.Mutex
	errs []error
}

// Run keeps the sessions of all SMSCs bound until the context ends; see
// smpp.Client.Run.
func (g *Group) Run(ctx context.Context) error {
	live := &running{ctx: ctx}
	g.mu.Lock()
	g.live = live
	for _, m := range g.members {
		g.start(m)
	}
	g.mu.Unlock()
	<-ctx.Done()
	g.mu.Lock()
	g.live = nil // Update starts no more
	g.mu.Unlock()
	live.work.Wait()
	live.mu.Lock()
	defer live.mu.Unlock()
	return errors.Join(live.errs...)
}

// start connects an SMSC. The lock is held, and the group runs.
func (g *Group) start(m *member) {
	live := g.live
	var ctx context.Context
	ctx, m.stop = context.WithCancel(live.ctx)
	live.work.Go(func() {
		defer event.Rescue(m.client.Logger(), "SMSC")
		if err := m.run(ctx); err != nil {
			live.mu.Lock()
			defer live.mu.Unlock()
			live.errs = append(live.errs, err)
		}
	})
}

func (m *member) run(ctx context.Context) (err error) {
	defer event.RescueTo(&err, m.client.Logger(), "SMSC client")
	return m.client.Run(ctx)
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
	var tried []*member
	for {
		m, style := g.choose(tried)
		err := g.by(m, style, send)
		if tried = append(tried, m); ctx.Err() != nil || !errors.Is(err, smpp.ErrUnbound) || !g.other(tried) {
			return err
		}
	}
}

func (g *Group) by(m *member, style *Style, send func(*Route) error) error {
	defer g.used(m)
	return send(&Route{Name: m.name, Style: style, Submit: func(ctx context.Context, s *smpp.SubmitSM) (string, error) {
		return g.submit(ctx, m, s)
	}})
}

// candidates are the SMSCs that may get messages.
func (g *Group) candidates() []*member {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.replaced) == 0 {
		return g.members
	}
	return slices.Concat(g.members, g.replaced)
}

// choose returns an SMSC, if possible one that was not tried. After that, used must be
// called.
func (g *Group) choose(tried []*member) (*member, *Style) {
	list := g.candidates()
	all := make([]candidate, len(list))
	for i, m := range list {
		all[i].throttled = m.client.Throttled()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, m := range list {
		all[i].weight, all[i].submits, all[i].bothWays = m.weight, m.sessions.Submit() > 0, m.sessions.BothWays()
	}
	i := choose(all, func(i int) bool { return !slices.Contains(tried, list[i]) }, g.roll)
	m := list[max(i, 0)] // all have been tried if an Update came between
	m.uses++
	return m, m.style
}

// used ends what choose has begun.
func (g *Group) used(m *member) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if m.uses--; m.uses == 0 && m.unused != nil {
		close(m.unused)
		m.unused = nil
	}
}

// other reports whether an SMSC that was not tried has a session.
func (g *Group) other(tried []*member) bool {
	list := g.candidates()
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.ContainsFunc(list, func(m *member) bool { return !slices.Contains(tried, m) && m.sessions.Submit() > 0 })
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
		m.counts.taken.Add(1)
	case errors.Is(err, smpp.ErrTimeout):
		m.counts.unanswered.Add(1)
	case errors.Is(err, smpp.ErrUnbound):
		m.counts.unsent.Add(1)
	default:
		m.counts.refused.Add(1)
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
	if m.bound != nil && now.BothWays() {
		close(m.bound)
		m.bound = nil
	}
}

// release ends the waiting for SMSCs without a session, if another has one. The lock is
// held.
func (g *Group) release() {
	submits := false
	for _, list := range [...][]*member{g.members, g.replaced} {
		for _, m := range list {
			submits = submits || m.sessions.Submit() > 0
		}
	}
	if !submits {
		return
	}
	for _, list := range [...][]*member{g.members, g.replaced, g.leaving} {
		for _, m := range list {
			if m.sessions.Submit() > 0 {
				continue
			}
			for cancel := range m.waiting {
				(*cancel)(errElsewhere)
			}
		}
	}
}
