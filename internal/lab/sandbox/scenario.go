package sandbox

import (
	"context"
	"errors"
	"slices"

	"github.com/signum-mssp/signum/internal/lab/scenario"
	"github.com/signum-mssp/signum/internal/lab/world"
)

// Scenario returns what the users and parties have that those of a new sandbox do not. A
// new sandbox that starts with it has the same. Users whom patterns made are not in it,
// because the pattern is, and neither is what "signum phone set" changed.
func (b *Sandbox) Scenario(ctx context.Context) (*scenario.Scenario, error) {
	s := b.kept()
	var users []scenario.User
	for _, u := range b.World.Users() {
		kept := slices.ContainsFunc(s.Users, func(k scenario.User) bool { return k.MSISDN == u.MSISDN })
		if u.IsPattern() {
			users = append(users, u)
			continue
		}
		now, err := b.GetUser(ctx, u.MSISDN)
		if errors.Is(err, world.ErrNoUser) { // removed meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		if now.State != world.WithDefaults(u).State {
			u.State, kept = now.State, true
		}
		if kept {
			users = append(users, u)
		}
	}
	for _, u := range Users() {
		if !b.Has(u.MSISDN) {
			users = append(users, scenario.User{MSISDN: u.MSISDN, State: scenario.NoAccount})
		}
	}
	s.Users = slices.SortedFunc(slices.Values(users), world.ByNumber)
	return s, nil
}

// askedFor returns the scenario of a Config in the form in which it is kept.
func askedFor(s *scenario.Scenario) (*scenario.Scenario, error) {
	out := new(scenario.Scenario)
	if s == nil {
		return out, nil
	}
	if err := world.CheckScenario(s); err != nil {
		return nil, &OptionError{"Scenario", err}
	}
	for _, p := range s.Parties {
		if err := world.CompleteParty(&p); err != nil {
			return nil, &OptionError{"Scenario", err}
		}
		out.Parties = append(out.Parties, p)
	}
	out.Users = slices.Clone(s.Users)
	return out, nil
}
