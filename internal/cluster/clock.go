package cluster

import "time"

// clock tells the time of the database between beats, by the monotonic clock of this
// machine.
type clock struct {
	base  time.Time // monotonic
	known time.Time // the time of the database at base; zero: not known yet
}

// learn takes what the database said between two moments. Only then is the time known
// with certainty; where the clock tells a time within these bounds already, it stays, so
// that a slow beat does not make it worse.
func (c *clock) learn(began, ended, said time.Time) {
	said = said.Round(0)
	earliest, latest := said, said.Add(ended.Sub(began)) // at ended
	now := c.at(ended)
	switch {
	case c.known.IsZero():
		now = said.Add(ended.Sub(began) / 2)
	case now.Before(earliest):
		now = earliest
	case now.After(latest):
		now = latest
	}
	c.base, c.known = ended, now
}

// at returns the time of the database at a moment of this machine.
func (c *clock) at(now time.Time) time.Time {
	if c.known.IsZero() {
		return now.Round(0)
	}
	return c.known.Add(now.Sub(c.base))
}

// offset is by how much the wall clock of this machine is ahead.
func (c *clock) offset(now time.Time) time.Duration {
	return now.Round(0).Sub(c.at(now))
}
