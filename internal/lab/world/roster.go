package world

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/scenario"
)

// roster is who the users are, as they were asked for. What became of them, such as a
// PIN that is blocked by now, is in the store and in the phones.
type roster struct {
	// gate is held for reading while one user changes, and for writing while all do.
	gate sync.RWMutex

	mu    sync.Mutex
	turns map[string]*turn
	list  []scenario.User  // numbers and patterns, in the order in which they came
	made  map[string]stage // numbers that got their users on demand in this run
	full  bool             // no more users are made on demand, and the log says so
	lazy  bool             // all users are made on demand, not only those of patterns
}

// stage is how far a pattern is with a user.
type stage uint8

const (
	untouched stage = iota // the user was not made on demand in this run
	partial                // the user has some of the phones
	whole
)

// turn is the right to change the user of one number.
type turn struct {
	free    chan struct{} // holds one token
	waiting int
}

func newRoster(users []scenario.User, lazy bool) *roster {
	return &roster{turns: make(map[string]*turn), list: users, made: make(map[string]stage), lazy: lazy}
}

type turnKey struct{}

// taken reports whether the caller has the turn of the number, or of all numbers.
func taken(ctx context.Context, msisdn string) bool {
	mine, _ := ctx.Value(turnKey{}).(string)
	return mine == everybody || mine == msisdn && msisdn != ""
}

// everybody stands for all numbers.
const everybody = "*"

// take waits for the turn of one number. The context that it returns carries the turn.
func (r *roster) take(ctx context.Context, msisdn string) (_ context.Context, done func(), err error) {
	r.gate.RLock()
	r.mu.Lock()
	t := r.turns[msisdn]
	if t == nil {
		t = &turn{free: make(chan struct{}, 1)}
		t.free <- struct{}{}
		r.turns[msisdn] = t
	}
	t.waiting++
	r.mu.Unlock()
	leave := func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if t.waiting--; t.waiting == 0 {
			delete(r.turns, msisdn)
		}
		r.gate.RUnlock()
	}
	select {
	case <-t.free:
		return context.WithValue(ctx, turnKey{}, msisdn), func() { t.free <- struct{}{}; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, nil, ctx.Err()
	}
}

// takeAll waits until nobody changes a user, and keeps others from it.
func (r *roster) takeAll(ctx context.Context) (_ context.Context, done func()) {
	r.gate.Lock()
	return context.WithValue(ctx, turnKey{}, everybody), r.gate.Unlock
}

// progress says how far the user of a number is who is made on demand.
func (r *roster) progress(msisdn string) stage {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.made[msisdn]
}

// complete records that a user has all phones.
func (r *roster) complete(msisdn string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.made[msisdn] = whole
}

// abandon records that a user could not be made on demand.
func (r *roster) abandon(msisdn string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.made, msisdn)
}

// find returns the user, or the pattern, of exactly this number.
func (r *roster) find(msisdn string) (scenario.User, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := r.index(msisdn); i >= 0 {
		return r.list[i], true
	}
	return scenario.User{}, false
}

// index requires the lock.
func (r *roster) index(msisdn string) int {
	return slices.IndexFunc(r.list, func(u scenario.User) bool { return u.MSISDN == msisdn })
}

// put adds a user or a pattern, or replaces it.
func (r *roster) put(u scenario.User) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.made, u.MSISDN)
	r.list = slices.Clone(r.list) // which New shares with its caller
	if i := r.index(u.MSISDN); i >= 0 {
		r.list[i] = u
		return
	}
	r.list = append(r.list, u)
}

func (r *roster) remove(msisdn string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.made, msisdn)
	r.list = slices.DeleteFunc(slices.Clone(r.list), func(u scenario.User) bool { return u.MSISDN == msisdn })
}

// all returns the users and the patterns, in the order in which they came.
func (r *roster) all() []scenario.User {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.list)
}

// reset makes the list what it was.
func (r *roster) reset(list []scenario.User) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list, r.made, r.full = slices.Clone(list), make(map[string]stage), false
}

// ofPatterns returns the numbers to which patterns gave users, in order.
func (r *roster) ofPatterns() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Sorted(maps.Keys(r.made)), func(msisdn string) bool { return r.index(msisdn) >= 0 })
}

// dormant reports whether a user of exactly this number is yet to be made.
func (r *roster) dormant(msisdn string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lazy && r.made[msisdn] == untouched && r.index(msisdn) >= 0
}

// match returns the user who is made on demand for a number. The longest pattern wins.
// A user of exactly this number wins over all patterns.
func (r *roster) match(msisdn string) (u scenario.User, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := r.index(msisdn); i >= 0 {
		return r.list[i], r.lazy && r.made[msisdn] == untouched
	}
	for _, p := range r.list {
		if p.Matches(msisdn) && len(p.MSISDN) > len(u.MSISDN) {
			u, ok = p, true
		}
	}
	u.MSISDN = msisdn
	return u, ok
}

// MaxMade is how many users are made on demand in one run: each takes memory, and maybe files.
const MaxMade = 10_000

// begin records that a user is made on demand. It returns false if there are too many;
// first is set the first time.
func (r *roster) begin(msisdn string) (ok, first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.made) >= MaxMade {
		first, r.full = !r.full, true
		return false, first
	}
	r.made[msisdn] = partial
	return true, false
}

// ByNumber sorts users by their numbers, patterns last.
func ByNumber(a, b scenario.User) int {
	if a.IsPattern() != b.IsPattern() {
		if a.IsPattern() {
			return 1
		}
		return -1
	}
	return cmp.Compare(a.MSISDN, b.MSISDN)
}

// WithDefaults fills in what a user gets who names nothing but a number.
func WithDefaults(u scenario.User) scenario.User {
	if u.Methods == nil {
		u.Methods = []signum.Method{signum.SIM, signum.App}
	}
	u.KeyType = cmp.Or(u.KeyType, signum.EC)
	u.State = cmp.Or(u.State, scenario.Active)
	if u.Network == "" && slices.Contains(u.Methods, signum.SIM) {
		u.Network = HomeNetwork.MCC + HomeNetwork.MNC
	}
	return u
}
