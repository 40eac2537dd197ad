package world

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

// ScenarioUsers returns the users and patterns of the world, as they were asked for, in
// the order of their numbers, patterns last.
func (w *World) ScenarioUsers() []scenario.User {
	return slices.SortedFunc(slices.Values(w.roster.all()), ByNumber)
}

// ListUsers returns the users and patterns as they are now, in the order of their numbers,
// patterns last.
func (w *World) ListUsers(ctx context.Context) ([]scenario.User, error) {
	all := w.roster.all()
	for _, msisdn := range w.roster.ofPatterns() {
		all = append(all, scenario.User{MSISDN: msisdn})
	}
	list := make([]scenario.User, 0, len(all))
	for _, u := range all {
		now, err := w.GetUser(ctx, u.MSISDN)
		if errors.Is(err, ErrNoUser) { // removed meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, now)
	}
	slices.SortFunc(list, ByNumber)
	return list, nil
}

// GetUser returns a user as it is now, or a pattern. The error is ErrNoUser if there is
// none.
func (w *World) GetUser(ctx context.Context, msisdn string) (scenario.User, error) {
	u := scenario.User{MSISDN: msisdn}
	if err := u.Check(); err != nil {
		return u, err
	}
	asked, ok := w.roster.find(u.MSISDN)
	if u.IsPattern() {
		if !ok {
			return u, noUser(u.MSISDN)
		}
		return WithDefaults(asked), nil
	}
	if w.roster.dormant(u.MSISDN) {
		return WithDefaults(asked), nil
	}
	s, err := w.account(ctx, u.MSISDN)
	switch {
	case err != nil:
		return u, err
	case ok:
		asked = WithDefaults(asked)
		asked.State = w.stateOf(s)
		return asked, nil
	case s == nil:
		return u, noUser(u.MSISDN)
	}
	return w.observed(s), nil
}

// observed is a user of whom nothing is known but the account: a person enrolled an App,
// a card was imported, or a pattern made the user.
func (w *World) observed(s *mssp.Subscriber) scenario.User {
	u := scenario.User{MSISDN: s.MSISDN, Methods: []signum.Method{}, State: w.stateOf(s)}
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
	return WithDefaults(u)
}

// PutUser adds a user or a pattern, or replaces it. It reports whether it is new. The
// service must run.
func (w *World) PutUser(ctx context.Context, u scenario.User) (created bool, err error) {
	if err := CheckUser(&u); err != nil {
		return false, err
	}
	if u.IsPattern() {
		_, had := w.roster.find(u.MSISDN)
		w.roster.put(u)
		return !had, w.cfg.Changed()
	}
	ctx, done, err := w.roster.take(ctx, u.MSISDN)
	if err != nil {
		return false, err
	}
	defer done()
	if _, err = w.GetUser(ctx, u.MSISDN); err != nil && !errors.Is(err, ErrNoUser) {
		return false, err
	}
	created = err != nil
	if s, err := w.account(ctx, u.MSISDN); err == nil && s == nil && w.cfg.Lazy {
		w.roster.put(u)
		return created, w.cfg.Changed()
	}
	return created, w.apply(ctx, u, everything)
}

// apply makes a user what it was asked to be, and keeps it.
func (w *World) apply(ctx context.Context, u scenario.User, c change) error {
	if err := w.realise(ctx, u, c); err != nil {
		return err
	}
	w.roster.put(u)
	if w.cfg.Lazy {
		w.roster.complete(u.MSISDN)
	}
	return w.cfg.Changed()
}

// SetUser changes a user or a pattern by a function, which returns the JSON members that it
// was asked to change. The error is ErrNoUser if there is none.
func (w *World) SetUser(ctx context.Context, msisdn string, edit func(*scenario.User) (map[string]bool, error)) error {
	u := scenario.User{MSISDN: msisdn}
	if err := u.Check(); err != nil {
		return err
	}
	ctx, done, err := w.roster.take(ctx, u.MSISDN)
	if err != nil {
		return err
	}
	defer done()
	old, err := w.GetUser(ctx, u.MSISDN)
	if err != nil {
		return err
	}
	if asked, ok := w.roster.find(u.MSISDN); ok {
		old = asked
	}
	u = old
	u.Methods = slices.Clone(old.Methods) // the function may decode into them
	given, err := edit(&u)
	if err == nil {
		err = CheckUser(&u)
	}
	if err != nil {
		return err
	}
	if u.IsPattern() || w.roster.dormant(u.MSISDN) {
		w.roster.put(u)
		return w.cfg.Changed()
	}
	return w.apply(ctx, u, change{
		phones: given["methods"] || given["key_type"], state: given["state"], network: given["network"],
		place: given["location"], behaviour: given["behaviour"],
	})
}

// CheckUser refuses settings that contradict each other.
func CheckUser(u *scenario.User) error {
	if err := u.Check(); err != nil {
		return err
	}
	phones := WithDefaults(*u).Methods
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
// has made stay. Of a built-in
// user it leaves an entry without an account. The error is ErrNoUser if there is none.
func (w *World) RemoveUser(ctx context.Context, msisdn string) error {
	u := scenario.User{MSISDN: msisdn}
	if err := u.Check(); err != nil {
		return err
	}
	ctx, done, err := w.roster.take(ctx, u.MSISDN)
	if err != nil {
		return err
	}
	defer done()
	if _, err := w.GetUser(ctx, u.MSISDN); err != nil {
		return err
	}
	if !u.IsPattern() {
		s, err := w.account(ctx, u.MSISDN)
		if err == nil {
			err = w.dropAccount(ctx, s)
		}
		if err != nil {
			return err
		}
	}
	if w.isBuiltin(u.MSISDN) {
		was, _ := w.roster.find(u.MSISDN)
		was.State = scenario.NoAccount // else a later run would have it again
		w.roster.put(was)
	} else {
		w.roster.remove(u.MSISDN)
	}
	return w.cfg.Changed()
}
