package node

import (
	"fmt"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/engine"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/policy"
)

// limitsOf returns what the engine allows parties.
func limitsOf(all *config.Config) (engine.Limits, error) {
	c := all.Limits
	prefixes, err := otpPrefixes(all)
	return engine.Limits{
		Party: mssp.PartyLimits{
			MaxOpen: c.Party.MaxOpen, Requests: mssp.Rate(c.Party.Requests), Statuses: mssp.Rate(c.Party.StatusQueries),
			Profiles: mssp.Rate(c.Party.ProfileQueries), Unknown: mssp.Rate(c.Party.UnknownNumbers),
			PerNumber: mssp.Rate(c.Party.OneNumber), OTP: mssp.Rate(c.Party.OTP), OTPNumber: mssp.Rate(c.Party.OTPOneNumber),
			OTPPrefixes: prefixes,
		},
		MaxOpen: map[signum.Method]int{signum.SIM: all.SIM.MaxOpen, signum.App: all.App.MaxOpen},
		Number:  mssp.Rate(c.Number.Requests), Cancels: c.Number.Cancels, CancelPeriod: c.Number.CancelPeriod, OTPSpecial: c.OTP.Special,
	}, err
}

// otpPrefixes are those of the configuration, or the country of the service number.
// Without that number no text can be sent, so nothing needs to be refused.
func otpPrefixes(c *config.Config) ([]string, error) {
	number := c.SIM.ServiceNumber
	switch {
	case len(c.Limits.OTP.Prefixes) > 0:
		return c.Limits.OTP.Prefixes, nil
	case number == "":
		return []string{"+"}, nil
	}
	prefix, ok := policy.CountryPrefix("+" + number)
	if !ok {
		return nil, &config.Problem{Path: "limits.otp.prefixes", Text: fmt.Sprintf("is needed, because sim.service_number %s has no country", number)}
	}
	return []string{prefix}, nil
}
