package sandbox

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/signum-mssp/signum/internal/lab/scenario"
)

// Scenario returns what the users and parties have that those of a new sandbox do not. A
// new sandbox that starts with it has the same. Users whom patterns made are not in it,
// because the pattern is, and neither is what "signum phone set" changed.
func (b *Sandbox) Scenario(ctx context.Context) (*scenario.Scenario, error) {
	s := b.kept()
	var users []scenario.User
	for _, u := range b.roster.all() {
		kept := slices.ContainsFunc(s.Users, func(k scenario.User) bool { return k.MSISDN == u.MSISDN })
		if u.IsPattern() {
			users = append(users, u)
			continue
		}
		now, err := b.GetUser(ctx, u.MSISDN)
		if errors.Is(err, ErrNoUser) { // removed meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		if now.State != withDefaults(u).State {
			u.State, kept = now.State, true
		}
		if kept {
			users = append(users, u)
		}
	}
	for _, u := range Users() {
		if _, ok := b.roster.find(u.MSISDN); !ok {
			users = append(users, scenario.User{MSISDN: u.MSISDN, State: scenario.NoAccount})
		}
	}
	s.Users = slices.SortedFunc(slices.Values(users), byNumber)
	return s, nil
}

// checkScenario returns all faults of a scenario that scenario.Parse cannot know.
func checkScenario(s *scenario.Scenario) error {
	var faults []error
	for _, u := range s.Users {
		faults = append(faults, checkUser(&u))
	}
	for _, p := range s.Parties {
		faults = append(faults, checkParty(&p))
	}
	return errors.Join(faults...)
}

// askedFor returns the scenario of a Config in the form in which it is kept.
func askedFor(s *scenario.Scenario) (*scenario.Scenario, error) {
	out := new(scenario.Scenario)
	if s == nil {
		return out, nil
	}
	if err := checkScenario(s); err != nil {
		return nil, &OptionError{"Scenario", err}
	}
	for _, p := range s.Parties {
		if err := completeParty(&p); err != nil {
			return nil, &OptionError{"Scenario", err}
		}
		out.Parties = append(out.Parties, p)
	}
	out.Users = slices.Clone(s.Users)
	return out, nil
}

// ApplyScenario adds the users and parties of a scenario, or puts them in the place of those
// with the same number or AP_ID. Others stay. A scenario with a fault changes nothing.
func (b *Sandbox) ApplyScenario(ctx context.Context, s *scenario.Scenario) error {
	if err := checkScenario(s); err != nil {
		return err
	}
	for _, p := range s.Parties {
		if err := b.notOwn(ctx, p.APID); err != nil {
			return err
		}
	}
	for _, p := range s.Parties {
		if _, err := b.PutParty(ctx, p); err != nil {
			return err
		}
	}
	for _, u := range s.Users {
		if _, err := b.PutUser(ctx, u); err != nil {
			return fmt.Errorf("user %s: %w", u.MSISDN, err)
		}
	}
	return nil
}
