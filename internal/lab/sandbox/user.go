package sandbox

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/scenario"
	"github.com/signum-mssp/signum/internal/mssp"
)

// ErrNoUser means that a number has no user.
var ErrNoUser = errors.New("no such user")

func noUser(msisdn string) error { return fmt.Errorf("%s: %w", msisdn, ErrNoUser) }

// ScenarioUsers returns the users and patterns of the sandbox, as they were asked for, in
// the order of their numbers, patterns last.
func (b *Sandbox) ScenarioUsers() []scenario.User {
	return slices.SortedFunc(slices.Values(b.roster.all()), byNumber)
}

// ListUsers returns the users and patterns as they are now, in the order of their numbers,
// patterns last.
func (b *Sandbox) ListUsers(ctx context.Context) ([]scenario.User, error) {
	all := b.roster.all()
	for _, msisdn := range b.roster.ofPatterns() {
		all = append(all, scenario.User{MSISDN: msisdn})
	}
	list := make([]scenario.User, 0, len(all))
	for _, u := range all {
		now, err := b.GetUser(ctx, u.MSISDN)
		if errors.Is(err, ErrNoUser) { // removed meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, now)
	}
	slices.SortFunc(list, byNumber)
	return list, nil
}

// GetUser returns a user as it is now, or a pattern. The error is ErrNoUser if there is
// none.
func (b *Sandbox) GetUser(ctx context.Context, msisdn string) (scenario.User, error) {
	u := scenario.User{MSISDN: msisdn}
	if err := u.Check(); err != nil {
		return u, err
	}
	asked, ok := b.roster.find(u.MSISDN)
	if u.IsPattern() {
		if !ok {
			return u, noUser(u.MSISDN)
		}
		return withDefaults(asked), nil
	}
	s, err := b.account(ctx, u.MSISDN)
	switch {
	case err != nil:
		return u, err
	case ok:
		asked = withDefaults(asked)
		asked.State = b.stateOf(s)
		return asked, nil
	case s == nil:
		return u, noUser(u.MSISDN)
	}
	return b.observed(s), nil
}

// observed is a user of whom nothing is known but the account: a person enrolled an App,
// a card was imported, or a pattern made the user.
func (b *Sandbox) observed(s *mssp.Subscriber) scenario.User {
	u := scenario.User{MSISDN: s.MSISDN, Methods: []signum.Method{}, State: b.stateOf(s)}
	for _, m := range []signum.Method{signum.SIM, signum.App} {
		d := device(s, m)
		if d == nil {
			continue
		}
		u.Methods = append(u.Methods, m)
		if m == signum.SIM {
			u.KeyType, u.Network = d.KeyType, d.Network.MCC+d.Network.MNC
		}
	}
	return withDefaults(u)
}

// PutUser adds a user or a pattern, or replaces it. It reports whether it is new. The
// sandbox must be ready.
func (b *Sandbox) PutUser(ctx context.Context, u scenario.User) (created bool, err error) {
	if err := checkUser(&u); err != nil {
		return false, err
	}
	if u.IsPattern() {
		_, had := b.roster.find(u.MSISDN)
		b.roster.put(u)
		return !had, b.publish()
	}
	ctx, done, err := b.roster.take(ctx, u.MSISDN)
	if err != nil {
		return false, err
	}
	defer done()
	if _, err = b.GetUser(ctx, u.MSISDN); err != nil && !errors.Is(err, ErrNoUser) {
		return false, err
	}
	created = err != nil
	return created, b.apply(ctx, u, everything)
}

// apply makes a user what it was asked to be, and keeps it.
func (b *Sandbox) apply(ctx context.Context, u scenario.User, c change) error {
	if err := b.realise(ctx, u, c); err != nil {
		return err
	}
	b.roster.put(u)
	return b.publish()
}

// SetUser changes a user or a pattern by a function, which returns the JSON members that it
// was asked to change. The error is ErrNoUser if there is none.
func (b *Sandbox) SetUser(ctx context.Context, msisdn string, edit func(*scenario.User) (map[string]bool, error)) error {
	u := scenario.User{MSISDN: msisdn}
	if err := u.Check(); err != nil {
		return err
	}
	ctx, done, err := b.roster.take(ctx, u.MSISDN)
	if err != nil {
		return err
	}
	defer done()
	old, err := b.GetUser(ctx, u.MSISDN)
	if err != nil {
		return err
	}
	if asked, ok := b.roster.find(u.MSISDN); ok {
		old = asked
	}
	u = old
	u.Methods = slices.Clone(old.Methods) // the function may decode into them
	given, err := edit(&u)
	if err == nil {
		err = checkUser(&u)
	}
	if err != nil {
		return err
	}
	if u.IsPattern() {
		b.roster.put(u)
		return b.publish()
	}
	return b.apply(ctx, u, change{
		phones: given["methods"] || given["key_type"], state: given["state"], network: given["network"],
		place: given["location"], behaviour: given["behaviour"],
	})
}

// checkUser refuses settings that contradict each other.
func checkUser(u *scenario.User) error {
	if err := u.Check(); err != nil {
		return err
	}
	phones := withDefaults(*u).Methods
	switch {
	case len(phones) > 0 || u.State == scenario.NoAccount:
	case u.Behaviour != "":
		return fmt.Errorf("%s: a user without phones has no behaviour", u.MSISDN)
	case u.Location != "":
		return fmt.Errorf("%s: a user without phones has no location", u.MSISDN)
	case u.State != "" && u.State != scenario.Active && u.State != scenario.Suspended:
		return fmt.Errorf("%s: a user without phones is active or suspended, not %s", u.MSISDN, u.State.Flag())
	}
	if slices.Equal(phones, []signum.Method{signum.App}) {
		if u.KeyType == signum.RSA {
			return fmt.Errorf("%s: the key of an App is always EC; RSA needs a SIM", u.MSISDN)
		}
		if u.Network != "" {
			return fmt.Errorf("%s: only a SIM has a network", u.MSISDN)
		}
	}
	return nil
}

// RemoveUser removes a user with account and phones, or a pattern; users whom the pattern
// has made stay. Of a user of every sandbox it leaves an entry without an account. The error is ErrNoUser if there is none.
func (b *Sandbox) RemoveUser(ctx context.Context, msisdn string) error {
	u := scenario.User{MSISDN: msisdn}
	if err := u.Check(); err != nil {
		return err
	}
	ctx, done, err := b.roster.take(ctx, u.MSISDN)
	if err != nil {
		return err
	}
	defer done()
	if _, err := b.GetUser(ctx, u.MSISDN); err != nil {
		return err
	}
	if !u.IsPattern() {
		s, err := b.account(ctx, u.MSISDN)
		if err == nil {
			err = b.dropAccount(ctx, s)
		}
		if err != nil {
			return err
		}
	}
	if everyones(u.MSISDN) {
		was, _ := b.roster.find(u.MSISDN)
		was.State = scenario.NoAccount // else the next run would have it again
		b.roster.put(was)
	} else {
		b.roster.remove(u.MSISDN)
	}
	return b.publish()
}
