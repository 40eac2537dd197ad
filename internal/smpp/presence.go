package smpp

import (
	"errors"
	"log/slog"
	"sync"
	"time"
)

// Sessions counts the sessions of a client by what they may do.
type Sessions struct {
	Transceivers int // submit_sm and deliver_sm
	Transmitters int // submit_sm only
	Receivers    int // deliver_sm only
}

// Total is the number of all sessions.
func (s Sessions) Total() int { return s.Transceivers + s.Transmitters + s.Receivers }

// Submit is the number of sessions that carry submit_sm.
func (s Sessions) Submit() int { return s.Transceivers + s.Transmitters }

// Deliver is the number of sessions that carry deliver_sm.
func (s Sessions) Deliver() int { return s.Transceivers + s.Receivers }

// BothWays reports whether messages can be sent and received.
func (s Sessions) BothWays() bool { return s.Submit() > 0 && s.Deliver() > 0 }

func (s *Sessions) add(mode CommandID, n int) {
	switch mode {
	case CmdBindTransmitter:
		s.Transmitters += n
	case CmdBindReceiver:
		s.Receivers += n
	default:
		s.Transceivers += n
	}
}

// modes lists the mode of each session.
func (s Sessions) modes() []CommandID {
	var list []CommandID
	for range s.Transceivers {
		list = append(list, CmdBindTransceiver)
	}
	for range s.Transmitters {
		list = append(list, CmdBindTransmitter)
	}
	for range s.Receivers {
		list = append(list, CmdBindReceiver)
	}
	return list
}

// withDefaults is one transceiver if no session is configured.
func (s Sessions) withDefaults() (Sessions, error) {
	switch {
	case s.Transceivers < 0 || s.Transmitters < 0 || s.Receivers < 0:
		return s, errors.New("smpp: a negative number of sessions")
	case s.Total() == 0:
		s.Transceivers = 1
	case !s.BothWays():
		return s, errors.New("smpp: transmitters and receivers need each other")
	}
	return s, nil
}

// presence counts the sessions that are bound now.
type presence struct {
	changed func(Sessions) // may be nil

	mu  sync.Mutex
	now Sessions
	// Since when nothing can be sent, and since when not both sent and received; zero:
	// it can, or Run was not called.
	mute, deaf time.Time
}

// count begins to count the time without sessions.
func (p *presence) count() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mute, p.deaf = time.Now(), time.Now()
}

func (p *presence) sessions() Sessions {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

func (p *presence) add(mode CommandID, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now.add(mode, n)
	since(&p.mute, p.now.Submit() == 0)
	since(&p.deaf, !p.now.BothWays())
	if p.changed != nil {
		p.changed(p.now) // with the lock held: the counts arrive in their order
	}
}

// Logger returns the logger of the client, which names the SMSC.
func (c *Client) Logger() *slog.Logger { return c.log }

// since sets when something began, and clears it when it is over.
func since(at *time.Time, is bool) {
	switch {
	case !is:
		*at = time.Time{}
	case at.IsZero():
		*at = time.Now()
	}
}

// Unbound returns for how long there has been no session to send by, or, if answers are
// needed, none to send and receive by; 0 if there is one. Before the first bind it
// counts from Run on.
func (c *Client) Unbound(answers bool) time.Duration {
	p := &c.present
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.mute
	if answers {
		at = p.deaf
	}
	if at.IsZero() {
		return 0
	}
	return time.Since(at)
}

// Wanted returns the sessions that the client keeps.
func (c *Client) Wanted() Sessions { return c.cfg.Sessions }

// Sessions returns the sessions that are bound now.
func (c *Client) Sessions() Sessions { return c.present.sessions() }

// Bound returns the number of sessions that are bound now. It is 0 unless messages can
// be both sent and received: without receivers no answer of a phone arrives.
func (c *Client) Bound() int {
	s := c.present.sessions()
	if !s.BothWays() {
		return 0
	}
	return s.Total()
}

// Throttled reports whether messages wait at all binds because the SMSC refuses them
// because of load.
func (c *Client) Throttled() bool {
	for _, l := range c.lines {
		if held, _ := l.gate.state(); !held && l.mode != CmdBindReceiver {
			return false
		}
	}
	return true
}
