package sandbox

import "github.com/signum-mssp/signum/internal/config"

// noLimit does not slow down a load test.
var noLimit = config.Rate{PerMinute: 6_000_000, Burst: 1_000_000}

// friendly returns limits that no test of an integrator reaches: a developer has one
// number and asks and cancels all day. Where one-time passwords go is left to the
// number plans. A report that somebody else made a request has its effect.
func friendly(l config.Limits) config.Limits {
	p := &l.Party
	for _, r := range []*config.Rate{
		&p.Requests, &p.StatusQueries, &p.ProfileQueries, &p.UnknownNumbers, &p.OneNumber, &p.OTP, &p.OTPOneNumber, &l.Number.Requests,
	} {
		*r = noLimit
	}
	l.Number.Cancels = 10_000
	l.OTP.Prefixes = []string{"+"}
	return l
}
