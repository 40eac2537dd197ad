package sandbox

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
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
	made  map[string]stage // numbers to which patterns gave users in this run
	full  bool             // patterns make no more users, and the log says so
}

// stage is how far a pattern is with a user.
type stage uint8

const (
	untouched stage = iota // no pattern made the user in this run
	partial                // the user has some of the phones
	whole
)

// turn is the right to change the user of one number.
type turn struct {
	free    chan struct{} // holds one token
	waiting int
}

func newRoster(users []scenario.User) *roster {
	return &roster{turns: make(map[string]*turn), list: users, made: make(map[string]stage)}
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

// progress says how far a pattern is with the user of a number.
func (r *roster) progress(msisdn string) stage {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.made[msisdn]
}

// complete records that a pattern has made a user.
func (r *roster) complete(msisdn string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.made[msisdn] = whole
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
	r.list = slices.DeleteFunc(r.list, func(u scenario.User) bool { return u.MSISDN == msisdn })
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
	return slices.Sorted(maps.Keys(r.made))
}

// match returns the user whom a pattern makes for a number. The longest pattern wins.
// A user of exactly this number wins over all patterns.
func (r *roster) match(msisdn string) (u scenario.User, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.index(msisdn) >= 0 {
		return u, false
	}
	for _, p := range r.list {
		if p.Matches(msisdn) && len(p.MSISDN) > len(u.MSISDN) {
			u, ok = p, true
		}
	}
	u.MSISDN = msisdn
	return u, ok
}

// maxMade is how many users patterns make in one run: each takes memory and files.
const maxMade = 10_000

// begin records that a pattern makes a user. It returns false if there are too many;
// first is set the first time.
func (r *roster) begin(msisdn string) (ok, first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.made) >= maxMade {
		first, r.full = !r.full, true
		return false, first
	}
	r.made[msisdn] = partial
	return true, false
}

// byNumber sorts users by their numbers, patterns last.
func byNumber(a, b scenario.User) int {
	if a.IsPattern() != b.IsPattern() {
		if a.IsPattern() {
			return 1
		}
		return -1
	}
	return cmp.Compare(a.MSISDN, b.MSISDN)
}

// withDefaults fills in what a user gets who names nothing but a number.
func withDefaults(u scenario.User) scenario.User {
	if u.Methods == nil {
		u.Methods = []signum.Method{signum.SIM, signum.App}
	}
	u.KeyType = cmp.Or(u.KeyType, signum.EC)
	u.State = cmp.Or(u.State, scenario.Active)
	if u.Network == "" && slices.Contains(u.Methods, signum.SIM) {
		u.Network = homeNetwork.MCC + homeNetwork.MNC
	}
	return u
}

// described is a user as sandbox.json shows it.
func described(u scenario.User) User {
	u = withDefaults(u)
	d := User{MSISDN: u.MSISDN, Methods: u.Methods, KeyType: u.KeyType, Network: u.Network}
	if u.State != scenario.Active {
		d.State = string(u.State)
	}
	if !slices.Contains(u.Methods, signum.SIM) {
		d.Network = ""
	}
	return d
}

// asked is the opposite of described.
func asked(d User) scenario.User {
	u := scenario.User{MSISDN: d.MSISDN, Methods: d.Methods, KeyType: d.KeyType, Network: d.Network, State: scenario.State(strings.ToUpper(d.State))}
	if u.Methods == nil {
		u.Methods = []signum.Method{}
	}
	return u
}
