package portal

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// This file is about several nodes. A session and a log-in live at the node where they
// began, and the balancer sends their browser there. What ends them, and what keeps strangers
// from a phone, counts at all nodes.

// The kinds of shared values. Their key is a number.
const (
	sharedEnd = "portal end" // of sessions and log-ins
	sharedBar = "portal bar" // its user has reported a log-in
)

// mark ends what began before it.
type mark struct {
	At     time.Time `json:"at"`
	Except string    `json:"except,omitempty"` // id of the session that goes on
}

// agreed is the time by which the nodes agree.
func (p *Portal) agreed() time.Time {
	if p.Agreed == nil {
		return p.Clock.Now()
	}
	return p.Agreed()
}

// endAll ends all sessions of a number except one, which may be nil, at all nodes.
func (p *Portal) endAll(number string, except *session) {
	p.sessions.endAll(number, except)
	m := mark{At: p.agreed()}
	if except != nil {
		m.Except = except.id
	}
	p.share(sharedEnd, number, m, sessionAbsolute+loginKeep)
}

// bar ends all log-ins of a number, and keeps strangers from its phone, at all nodes.
func (p *Portal) bar(number string) {
	p.pace.bar(number, p.Clock.Now())
	p.logins.endAll(number)
	p.share(sharedBar, number, mark{At: p.agreed()}, barredFor)
}

func (p *Portal) share(kind, number string, m mark, keep time.Duration) {
	if p.Shared == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), voidTimeout) // the request that began this may have ended
	defer cancel()
	value, err := json.Marshal(m)
	if err == nil {
		err = p.Shared.PutValue(ctx, kind, number, value, m.At.Add(keep))
	}
	if err != nil {
		p.Logger.Error("other nodes do not learn that sessions or log-ins have ended", "msisdn", signum.MaskMSISDN(number), "err", err)
	}
}

// marked returns the mark of a number; its time is zero if there is none.
func (p *Portal) marked(ctx context.Context, kind, number string) (m mark, err error) {
	if p.Shared == nil {
		return m, nil
	}
	value, err := p.Shared.Value(ctx, kind, number)
	if errors.Is(err, mssp.ErrNotFound) {
		return m, nil
	}
	if err == nil {
		err = json.Unmarshal(value, &m)
	}
	return m, err
}

// over reports whether another node has ended a session, or the log-in that it came from.
func (p *Portal) over(ctx context.Context, number, id string, began time.Time) (bool, error) {
	m, err := p.marked(ctx, sharedEnd, number)
	return !m.At.Before(began) && (id == "" || id != m.Except), err
}

// isBarred reports whether strangers reach the phone of a number. If that is not known, they
// do not.
func (p *Portal) isBarred(ctx context.Context, number string) bool {
	if p.pace.isBarred(number, p.Clock.Now()) {
		return true
	}
	m, err := p.marked(ctx, sharedBar, number)
	return err != nil || p.agreed().Sub(m.At) < barredFor
}
