package world

import (
	"context"
	"errors"
	"fmt"

	"github.com/signum-mssp/signum/internal/lab/scenario"
)

// CheckScenario returns all faults of a scenario that scenario.Parse cannot know.
func CheckScenario(s *scenario.Scenario) error {
	var faults []error
	for _, u := range s.Users {
		faults = append(faults, CheckUser(&u))
	}
	for _, p := range s.Parties {
		faults = append(faults, CheckParty(&p))
	}
	return errors.Join(faults...)
}

// ApplyScenario adds the users and parties of a scenario, or puts them in the place of those
// with the same number or AP_ID. Others stay. A scenario with a fault changes nothing.
func (w *World) ApplyScenario(ctx context.Context, s *scenario.Scenario) error {
	if err := CheckScenario(s); err != nil {
		return err
	}
	for _, p := range s.Parties {
		if err := w.notOwn(ctx, p.APID); err != nil {
			return err
		}
	}
	for _, p := range s.Parties {
		if _, err := w.PutParty(ctx, p); err != nil {
			return err
		}
	}
	for _, u := range s.Users {
		if _, err := w.PutUser(ctx, u); err != nil {
			return fmt.Errorf("user %s: %w", u.MSISDN, err)
		}
	}
	return nil
}
