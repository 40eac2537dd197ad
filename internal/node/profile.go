package node

import (
	"context"
	"slices"

	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/sim"
)

// profilesOf translates what the operator says about kinds of cards.
func profilesOf(list []config.CardProfile) map[string]sim.Profile {
	all := make(map[string]sim.Profile)
	for _, p := range list {
		all[p.Name] = sim.Profile{
			TAR: [3]byte(p.TAR), KIDKeySet: byte(p.KIDKeySet), MaxValidity: p.Validity, Retry: sim.Retry(p.Retry),
			ServiceAddress: addressOf(config.Sender{Address: p.ServiceNumber}),
		}
	}
	return all
}

func profileNames(list []config.CardProfile) []string {
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = p.Name
	}
	return names
}

// checkProfiles warns of cards that cannot be reached, because the configuration does not
// have their profile. The node starts nevertheless: it is needed for all other cards.
func (n *Node) checkProfiles(ctx context.Context, list []config.CardProfile) error {
	used, err := n.Store.CardProfiles(ctx)
	if err != nil {
		return err
	}
	known := profileNames(list)
	for _, name := range used {
		if name != mssp.DefaultProfile && !slices.Contains(known, name) {
			n.deps.Logger.WarnContext(ctx, "there are cards with a profile that is not in sim.card_profiles: requests to them end with 900",
				"profile", name, "configured", known)
		}
	}
	return nil
}
