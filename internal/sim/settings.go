package sim

import (
	"cmp"
	"maps"
	"time"

	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/mssp"
)

// settings are those that apply, with their defaults.
type settings struct {
	Settings
	profiles map[string]*Profile
}

// Set replaces the settings. The repetitions of a request on the way go on as they began;
// the next message to its card is that of the new profile.
func (c *Channel) Set(s Settings) {
	s = s.withDefaults()
	c.applies.Store(&settings{s, s.complete()})
}

// set returns the settings that apply now.
func (c *Channel) set() *settings { return c.applies.Load() }

func (s Settings) withDefaults() Settings {
	s.UnboundLimit = cmp.Or(s.UnboundLimit, 10*time.Second)
	s.Advance.Step = cmp.Or(s.Advance.Step, defaultStep)
	s.Advance.Daily = cmp.Or(s.Advance.Daily, defaultDaily)
	s.Retry = s.Retry.or(Retry{
		Attempts: 8, Absent: 4, Backoff: time.Second, MaxBackoff: 8 * time.Second,
		Silence: 8 * time.Second, Patience: 30 * time.Second, Margin: time.Second,
	})
	return s
}

// complete returns the profiles with their defaults, and one for cards that name none.
func (s *Settings) complete() map[string]*Profile {
	all := make(map[string]*Profile)
	for name, p := range maps.All(s.Profiles) {
		p.TAR, p.Retry = cmp.Or(p.TAR, applet.TAR), p.Retry.or(s.Retry)
		all[name] = &p
	}
	if all[mssp.DefaultProfile] == nil {
		all[mssp.DefaultProfile] = &Profile{TAR: applet.TAR, Retry: s.Retry}
	}
	return all
}
