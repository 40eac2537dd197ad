package group

// candidate is an SMSC at the moment of the choice.
type candidate struct {
	weight    int  // 0: standby
	submits   bool // a session can send
	bothWays  bool // and one can receive
	throttled bool
}

// rank orders candidates: the lowest goes first. A standby comes after all others that
// work, even after those that throttle. An SMSC from which no answer can come is better
// than one that is not bound: the answer may come by another, or later.
func (c candidate) rank() int {
	standby := c.weight == 0
	switch {
	case c.submits && c.bothWays && !standby && !c.throttled:
		return 0
	case c.submits && c.bothWays && !standby:
		return 1
	case c.submits && c.bothWays && !c.throttled:
		return 2
	case c.submits && c.bothWays:
		return 3
	case c.submits && !standby:
		return 4
	case c.submits:
		return 5
	case !standby:
		return 6
	}
	return 7
}

// choose returns the index of a candidate, or -1 if there is none that may be taken.
// Among those of the lowest rank, each is chosen as often as its weight says. roll
// returns a number from 0 to n-1.
func choose(all []candidate, may func(int) bool, roll func(n int) int) int {
	best, sum := -1, 0
	for i, c := range all {
		switch {
		case !may(i):
		case best < 0 || c.rank() < all[best].rank():
			best, sum = i, share(c)
		case c.rank() == all[best].rank():
			sum += share(c)
		}
	}
	if best < 0 {
		return -1
	}
	at := roll(sum)
	for i, c := range all {
		if !may(i) || c.rank() != all[best].rank() {
			continue
		}
		if at -= share(c); at < 0 {
			return i
		}
	}
	return best
}

// share is the weight among candidates of one rank: all standbys are alike.
func share(c candidate) int { return max(c.weight, 1) }
