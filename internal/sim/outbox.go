package sim

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

const (
	outboxTimeout = 5 * time.Second // of a row, or of all rows at the end
	leaveAtOnce   = 256             // rows written at a time at the end; they share commits
)

// progress is what a row says about a request: how far it has come.
type progress struct {
	Attempts int       `json:"attempts"` // of the step
	Counters []uint64  `json:"counters,omitempty"`
	Flags    flags     `json:"flags,omitempty"`
	Next     time.Time `json:"next,omitzero"` // when the next attempt is due
}

// lasting are the flags that another node needs.
const lasting = asked | proved | reached | delivered | submitted

// row is what the store keeps of a request. Channel.mu is held, or nobody else knows the
// request.
func (q *request) row() *mssp.SIMRequest {
	a := &q.attempts
	state, err := json.Marshal(progress{Attempts: a.count, Counters: a.counters, Flags: q.flags & lasting, Next: q.next.Round(0)})
	if err != nil {
		panic(err) // it has no type that cannot be written
	}
	return &mssp.SIMRequest{TransID: q.TransID, DeviceID: q.DeviceID, MSISDN: q.MSISDN, Op: q.Op, Step: q.stepNumber(), State: state, Expires: q.Expires.Round(0)}
}

// stepNumber counts the steps of a request from 0.
func (q *request) stepNumber() int {
	if q.step == firstStep(q.Op) {
		return 0
	}
	return 1
}

// recorded reports whether the row of a request is kept. That of a receipt is not: it is
// not shown again.
func (c *Channel) recorded(q *request) bool { return c.cfg.Outbox != nil && q.Op != mssp.OpDisplay }

// keepProgress writes the row of a request that is repeated, so that another node can go on
// with it. Without the row it would begin from the start, which costs messages and nothing
// else.
func (c *Channel) keepProgress(ctx context.Context, q *request) {
	c.mu.Lock()
	if !c.recorded(q) || q.state == ended {
		c.mu.Unlock()
		return
	}
	row := q.row()
	q.flags |= written
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, outboxTimeout)
	defer cancel()
	if err := c.cfg.Outbox.PutSIMRequest(ctx, row); err != nil {
		c.log.WarnContext(ctx, "progress of a request not kept", "trans_id", q.TransID, "err", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if q.state == ended { // meanwhile, so that its row may have been deleted before it was written
		c.forget(q)
	}
}

// keepLater writes the row of a request again that has one, in another goroutine. A request
// without a row needs none for a proof: the node that goes on with it sends again what the card
// recognises. Channel.mu is held.
func (c *Channel) keepLater(q *request) {
	if !q.flags.has(written) || c.closed {
		return
	}
	c.busy.Go(func() {
		defer event.Rescue(c.log, "SIM outbox")
		c.keepProgress(context.Background(), q)
	})
}

// leave writes the rows of all requests, so that another node, or this one after a restart,
// goes on with them.
func (c *Channel) leave() {
	c.mu.Lock()
	var rows []*mssp.SIMRequest
	for q := range c.table.all {
		if c.recorded(q) && q.state != answering {
			rows = append(rows, q.row())
		}
	}
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), outboxTimeout)
	defer cancel()
	var g errgroup.Group
	g.SetLimit(leaveAtOnce)
	for _, row := range rows {
		g.Go(func() (err error) {
			defer event.RescueTo(&err, c.log, "SIM outbox")
			return c.cfg.Outbox.PutSIMRequest(ctx, row)
		})
	}
	if err := g.Wait(); err != nil {
		c.log.WarnContext(ctx, "progress of requests not kept", "err", err)
	}
}

// forget deletes the row of a request that has ended. Channel.mu is held.
func (c *Channel) forget(q *request) {
	if !q.flags.has(written) || c.closed {
		return
	}
	outbox := c.cfg.Outbox // as it is while the lock is held
	if outbox == nil {
		return
	}
	c.busy.Go(func() {
		defer event.Rescue(c.log, "SIM outbox")
		ctx, cancel := context.WithTimeout(context.Background(), outboxTimeout)
		defer cancel()
		if err := outbox.DeleteSIMRequest(ctx, q.TransID); err != nil {
			c.log.Debug("the row of a request stays until it expires", "trans_id", q.TransID, "err", err)
		}
	})
}

// resume continues a request where another node, or this one before a restart, left it. If
// the row cannot be read, it begins from the start.
func (c *Channel) resume(ctx context.Context, q *request) {
	if !q.Resumed || !c.recorded(q) {
		return
	}
	row, err := c.cfg.Outbox.SIMRequest(ctx, q.TransID)
	if errors.Is(err, mssp.ErrNotFound) || err == nil && (row.Op != q.Op || row.DeviceID != q.DeviceID) {
		return
	}
	var p progress
	if err == nil {
		err = json.Unmarshal(row.State, &p)
	}
	if err != nil {
		c.log.WarnContext(ctx, "a request begins from the start, because its progress cannot be read", "trans_id", q.TransID,
			"msisdn", signum.MaskMSISDN(q.MSISDN), "err", err)
		return
	}
	if row.Step > 0 && q.Op == mssp.OpActivate {
		q.step = applet.GenKey
	}
	q.flags |= p.Flags&lasting | written
	q.attempts.count = min(max(p.Attempts, 0), q.retry.Attempts-1) // at least one is left
	if n := len(p.Counters); n > 0 {
		q.attempts.counters = p.Counters[max(0, n-maxCounters):]
	}
	if q.next = p.Next; q.next.IsZero() && q.flags.has(proved) { // the proof came before the SMSC's answer
		q.next = c.now().Add(q.retry.Patience)
	}
}

// maxCounters is how many packets of a step are known after it was resumed; attempts.refused
// has a bit for each.
const maxCounters = 32
