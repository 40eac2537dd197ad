package group

import (
	"time"

	"github.com/signum-mssp/signum/internal/smpp"
)

// Stats are what an SMSC has done since the start, and its sessions now.
type Stats struct {
	Name          string
	Bound, Wanted smpp.Sessions
	Throttled     bool

	// The results of submit_sm: taken; refused with a status; sent, but not answered in
	// time; not sent, for want of a session or of room in its window.
	Taken, Refused, Unanswered, Unsent uint64

	Client smpp.Stats
}

// Stats returns those of each SMSC, in the order of New or Update.
func (g *Group) Stats() []Stats {
	g.mu.Lock()
	members := g.members
	g.mu.Unlock()
	list := make([]Stats, len(members))
	for i, m := range members {
		list[i] = Stats{
			Name: m.name, Bound: m.client.Sessions(), Wanted: m.client.Wanted(), Throttled: m.client.Throttled(),
			Taken: m.counts.taken.Load(), Refused: m.counts.refused.Load(), Unanswered: m.counts.unanswered.Load(), Unsent: m.counts.unsent.Load(),
			Client: m.client.Stats(),
		}
	}
	return list
}

// Bound is the number of sessions that are bound, without those of SMSCs that are bound
// in one direction only.
func (g *Group) Bound() int {
	n := 0
	for _, m := range g.candidates() {
		n += m.client.Bound()
	}
	return n
}

// Unbound returns for how long no SMSC has had a session; see smpp.Client.Unbound.
func (g *Group) Unbound(answers bool) time.Duration {
	members := g.candidates()
	least := members[0].client.Unbound(answers)
	for _, m := range members[1:] {
		least = min(least, m.client.Unbound(answers))
	}
	return least
}

// Handling returns how many messages from the SMSCs are handled at the moment.
func (g *Group) Handling() (n int) {
	for _, m := range g.candidates() {
		n += m.client.Handling()
	}
	return n
}

// Age returns for how long the message has waited for a window that has waited longest.
func (g *Group) Age() (d time.Duration) {
	for _, m := range g.candidates() {
		d = max(d, m.client.Age())
	}
	return d
}

// AgeOf returns the same of the messages of one party.
func (g *Group) AgeOf(party string) (d time.Duration) {
	for _, m := range g.candidates() {
		d = max(d, m.client.AgeOf(party))
	}
	return d
}
