package config

import (
	"strings"
	"time"
)

// maxRate is one call each microsecond: more than any node takes, and far from
// where durations overflow.
const maxRate = 60_000_000

func (r Rate) check(l *problems, path string) {
	l.between(path+".per_minute", r.PerMinute, 1, maxRate)
	l.between(path+".burst", r.Burst, 1, maxRate)
}

func (c Limits) check(l *problems) {
	if c.MaxBody < 1 {
		l.add("limits.max_body", "must be at least 1B")
	}
	l.positive("limits.read_timeout", c.ReadTimeout)
	l.positive("limits.write_timeout", c.WriteTimeout)
	l.atLeast("limits.reserved_files", c.ReservedFiles, 64)
	l.atLeast("limits.party.max_open", c.Party.MaxOpen, 1)
	for path, r := range map[string]Rate{
		"party.requests": c.Party.Requests, "party.status_queries": c.Party.StatusQueries,
		"party.profile_queries": c.Party.ProfileQueries, "party.unknown_numbers": c.Party.UnknownNumbers,
		"party.one_number": c.Party.OneNumber, "party.otp": c.Party.OTP, "party.otp_one_number": c.Party.OTPOneNumber,
		"number.requests": c.Number.Requests,
	} {
		r.check(l, "limits."+path)
	}
	l.between("limits.number.cancels", c.Number.Cancels, 1, maxCancels)
	l.positive("limits.number.cancel_period", c.Number.CancelPeriod)
	for _, p := range c.OTP.Prefixes {
		if rest, ok := strings.CutPrefix(p, "+"); !ok || !digits(rest) || len(rest) > 15 {
			l.add("limits.otp.prefixes", "%q must be + and at most 15 digits, such as +41; + alone stands for all numbers", p)
		}
	}
}

// leastMemory is less than any node takes.
const leastMemory = 64 << 20

func (a Admission) check(l *problems) {
	if a.QueueAge < time.Second {
		l.add("admission.queue_age", "must be at least 1s")
	}
	if a.MaxMemory != 0 && a.MaxMemory < leastMemory {
		l.add("admission.max_memory", "must be at least 64MiB, or 0B for what the system allows")
	}
}

// maxCancels keeps the list of a number's cancels short.
const maxCancels = 100_000
