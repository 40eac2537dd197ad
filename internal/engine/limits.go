package engine

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/limit"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/policy"
)

// Limits bound what parties may ask, so that nobody can flood a phone, run up the
// bill of text messages, list the users, or crowd out other parties. A zero value
// means no limit. They hold on each node by itself.
type Limits struct {
	Party mssp.PartyLimits // of each party that has none of its own
	// MaxOpen is how many transactions this node may have open, by method.
	MaxOpen map[signum.Method]int
	// Number is how often all parties together may ask one subscriber for a signature.
	Number mssp.Rate
	// Cancels within CancelPeriod are a sign that a user is asked against their will:
	// then no party may ask for a signature until the first is older than that. One
	// report has the effect of all of them.
	Cancels      int
	CancelPeriod time.Duration
	// OTPSpecial allows one-time passwords to premium-rate, shared-cost and satellite
	// numbers too.
	OTPSpecial bool
}

// The names of the limits, as metrics and the log have them.
const (
	limitOpen      = "open_requests"
	limitRequests  = "requests"
	limitStatuses  = "status_queries"
	limitProfiles  = "profile_queries"
	limitUnknown   = "unknown_numbers"
	limitPerNumber = "one_number"
	limitNumber    = "number"
	limitCancels   = "cool_down"
	limitOTP       = "otp"
	limitOTPNumber = "otp_one_number"
)

// limits apply Limits. What is counted by party and by number is in memory.
type limits struct {
	rules   atomic.Pointer[rules]
	open    openRequests
	tables  map[string]*limit.Limiter // of limits that are rates
	resting atomic.Uint64             // requests that were refused because of cancels
}

// rules are what applies now.
type rules struct {
	Limits
	cancels *limit.Strikes // by number; nil: not counted
}

// anyRate is what a table needs that gets its rates with each use.
var anyRate = limit.PerMinute(1, 1)

func newLimits(l Limits) *limits {
	out := &limits{tables: make(map[string]*limit.Limiter)}
	for _, name := range []string{limitRequests, limitStatuses, limitProfiles, limitUnknown, limitPerNumber, limitNumber, limitOTP, limitOTPNumber} {
		out.tables[name] = limit.New(anyRate, limit.DefaultKeys)
	}
	out.set(l)
	return out
}

// SetLimits replaces the limits. What was used before still counts, except cancels if
// their number or period changes.
func (e *Engine) SetLimits(l Limits) { e.limits.set(l) }

// set must not be called by two at a time.
func (l *limits) set(to Limits) {
	r := &rules{Limits: to}
	switch now := l.rules.Load(); {
	case now != nil && now.Cancels == to.Cancels && now.CancelPeriod == to.CancelPeriod:
		r.cancels = now.cancels
	case to.Cancels > 0:
		r.cancels = limit.NewStrikes(to.Cancels, to.CancelPeriod, limit.DefaultKeys)
	}
	l.rules.Store(r)
}

// Refused returns how many requests each limit refused so far.
func (e *Engine) Refused() map[string]uint64 {
	l := e.limits
	n := map[string]uint64{limitOpen: l.open.refused.Load(), limitCancels: l.resting.Load()}
	for name, table := range l.tables {
		n[name] = table.Refused()
	}
	return n
}

// take counts one use and returns how long to wait if that was one too many.
func (l *limits) take(name string, r mssp.Rate, key string, now time.Time) time.Duration {
	if r.Burst == 0 {
		return 0
	}
	return l.tables[name].TakeAt(limit.PerMinute(r.PerMinute, r.Burst), key, now)
}

// of returns the limits that apply to a party; none apply to the service itself.
func (l *limits) of(p *mssp.Party) mssp.PartyLimits {
	r := l.rules.Load()
	if p.Own {
		return mssp.PartyLimits{OTPPrefixes: r.Party.OTPPrefixes}
	}
	return p.Limits.Or(&r.Party)
}

// enter counts a call of the party among those that are open, and by its kind. Each
// call that was let in must leave.
func (l *limits) enter(p *mssp.Party, op signum.Operation, now time.Time) error {
	pl := l.of(p)
	if !l.open.enter(p.ID, pl.MaxOpen) {
		return policy.TooMany(limitOpen, time.Second)
	}
	name, r := limitRequests, pl.Requests
	switch op {
	case signum.OpStatus:
		name, r = limitStatuses, pl.Statuses
	case signum.OpProfile:
		name, r = limitProfiles, pl.Profiles
	}
	wait := l.take(name, r, p.ID, now)
	if wait == 0 && op == signum.OpProfile && pl.Unknown.Burst > 0 {
		// Before the number is looked up: a refusal must not tell whether it exists.
		u := pl.Unknown
		name, wait = limitUnknown, l.tables[limitUnknown].WaitAt(limit.PerMinute(u.PerMinute, u.Burst), p.ID, now)
	}
	if wait > 0 {
		l.open.leave(p.ID)
		return policy.TooMany(name, wait)
	}
	return nil
}

// told counts an answer that says something about a number without asking its phone.
// A party that got too many of them gets the same answer for all such numbers, so
// that it cannot list the users, or those in some state. Requests that reach a
// phone are not affected: a stranger who types invented numbers at the party shuts
// nobody out.
func (l *limits) told(p *mssp.Party, err error, now time.Time) error {
	if !policy.Tells(err) {
		return err
	}
	if wait := l.take(limitUnknown, l.of(p).Unknown, p.ID, now); wait > 0 {
		return policy.TooMany(fmt.Sprintf("%s; otherwise %d: %s", limitUnknown, signum.AsFault(err).Code, mssp.NoteOf(err)), wait)
	}
	return err
}

// ask decides whether the party may ask the subscriber for a signature now.
func (l *limits) ask(p *mssp.Party, msisdn string, now time.Time) error {
	if p.Own {
		return nil
	}
	r := l.rules.Load()
	if r.cancels != nil {
		if wait := r.cancels.Wait(msisdn, now); wait > 0 {
			l.resting.Add(1)
			return policy.Resting(limitCancels, wait)
		}
	}
	if wait := l.take(limitPerNumber, l.of(p).PerNumber, pairKey(p, msisdn), now); wait > 0 {
		return policy.TooMany(limitPerNumber, wait)
	}
	if wait := l.take(limitNumber, r.Number, msisdn, now); wait > 0 {
		return policy.Resting(limitNumber, wait)
	}
	return nil
}

// text decides whether the party may send a one-time password to the number.
func (l *limits) text(p *mssp.Party, msisdn string, now time.Time) error {
	pl := l.of(p)
	if pl.OTPPrefixes != nil {
		if err := policy.OTPNumber(msisdn, pl.OTPPrefixes, l.rules.Load().OTPSpecial); err != nil {
			return err
		}
	}
	if wait := l.take(limitOTPNumber, pl.OTPNumber, pairKey(p, msisdn), now); wait > 0 {
		return policy.TooMany(limitOTPNumber, wait)
	}
	if wait := l.take(limitOTP, pl.OTP, p.ID, now); wait > 0 {
		return policy.TooMany(limitOTP, wait)
	}
	return nil
}

// pairKey stands for a party and a number. Limits of a number are kept by party
// where they can be, so that no party can use up what is another's.
func pairKey(p *mssp.Party, msisdn string) string { return msisdn + p.ID }

// cancelled counts a request that its user ended. What users cancel at the portal is
// not counted: anybody can start a log-in there, and would keep others from asking
// the user.
func (e *Engine) cancelled(ctx context.Context, t *mssp.Transaction, reported bool, at time.Time) {
	p, err := e.cfg.Store.Party(ctx, t.APID)
	own := err == nil && p.Own
	if reported {
		e.reported(ctx, t, own)
	}
	r := e.limits.rules.Load()
	if r.cancels == nil || own {
		return
	}
	if reported {
		r.cancels.Out(t.MSISDN, at)
		return
	}
	r.cancels.Add(t.MSISDN, at)
}

// reports count the requests that users said somebody else had made.
type reports struct{ ofParties, ofService atomic.Uint64 }

// reported tells the operator of a request that its user said somebody else had made:
// the number may be known to somebody who tries it, or the party asks without cause.
func (e *Engine) reported(ctx context.Context, t *mssp.Transaction, own bool) {
	n := &e.reports.ofParties
	if own {
		n = &e.reports.ofService
	}
	n.Add(1)
	e.cfg.Logger.WarnContext(ctx, "a user reported a request that somebody else made", "ap_id", t.APID, "msisdn", signum.MaskMSISDN(t.MSISDN),
		"trans_id", t.ID, "device", t.DeviceID)
}

// Reported returns how many requests users have reported, by the kind of their party.
func (e *Engine) Reported() map[string]uint64 {
	return map[string]uint64{"party": e.reports.ofParties.Load(), "service": e.reports.ofService.Load()}
}

// openRequests counts the open requests of each party.
type openRequests struct {
	refused atomic.Uint64
	mu      sync.Mutex
	n       map[string]int
}

// enter reports whether one more is allowed; most 0 allows any number.
func (o *openRequests) enter(party string, most int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if most > 0 && o.n[party] >= most {
		o.refused.Add(1)
		return false
	}
	if o.n == nil {
		o.n = make(map[string]int)
	}
	o.n[party]++
	return true
}

func (o *openRequests) leave(party string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.n[party]--; o.n[party] <= 0 {
		delete(o.n, party)
	}
}
