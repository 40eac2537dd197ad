//go:build linux

package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/scenario"
)

// kind is how a user signs and behaves.
type kind struct {
	methods   []signum.Method
	keyType   signum.KeyType
	state     scenario.State
	behaviour string
	profile   string        // that requests to this user name
	timeout   time.Duration // of these requests
	think     time.Duration // at most, between two requests
	refuses   bool          // so that the user signs nothing at the end either
}

const (
	patience = 20 * time.Second // of a request to a user who answers
	// appThink keeps requests to an App below what the service takes from one App.
	appThink = 3 * time.Second
)

var (
	simEC  = kind{methods: []signum.Method{signum.SIM}, keyType: signum.EC, profile: signum.ProfileSTK, timeout: patience, think: 600 * time.Millisecond}
	simRSA = kind{methods: []signum.Method{signum.SIM}, keyType: signum.RSA, profile: signum.ProfileSTK, timeout: patience, think: 600 * time.Millisecond}
	anApp  = kind{methods: []signum.Method{signum.App}, keyType: signum.EC, profile: signum.ProfileDevice, timeout: patience, think: appThink}
	both   = kind{methods: []signum.Method{signum.SIM, signum.App}, keyType: signum.EC, profile: signum.ProfileAnyLoA4, timeout: patience, think: 600 * time.Millisecond}
	// fresh has a SIM that the first request activates.
	fresh   = kind{methods: []signum.Method{signum.SIM}, keyType: signum.EC, state: scenario.Registered, profile: signum.ProfileSTK, timeout: patience, think: 600 * time.Millisecond}
	cancels = kind{methods: []signum.Method{signum.SIM}, keyType: signum.EC, behaviour: "cancel:100ms", profile: signum.ProfileSTK, timeout: patience, think: 600 * time.Millisecond, refuses: true}
	silent  = kind{methods: []signum.Method{signum.SIM}, keyType: signum.EC, behaviour: "silent", profile: signum.ProfileSTK, timeout: 3 * time.Second, think: time.Second, refuses: true}
	// declines has an App.
	declines = kind{methods: []signum.Method{signum.App}, keyType: signum.EC, behaviour: "cancel:100ms", profile: signum.ProfileDevice, timeout: patience, think: appThink, refuses: true}
)

// cast is the order in which users are made, so that few users have every kind, too.
var cast = []kind{
	simEC, anApp, simRSA, fresh, both, cancels, anApp, silent, declines, simEC, both, anApp,
	simEC, simEC, anApp, both, simRSA, fresh, simEC, anApp,
}

// mixed returns so many users, in the order of the cast.
func mixed(n int) []kind {
	all := make([]kind, n)
	for i := range all {
		all[i] = cast[i%len(cast)]
	}
	return all
}

// msisdn returns the number of a user.
func msisdn(i int) string { return fmt.Sprintf("+4179%07d", 5000000+i) }

// userNumber is the inverse of msisdn.
func userNumber(msisdn string) (int, error) {
	n, err := strconv.Atoi(strings.TrimPrefix(msisdn, "+4179"))
	return n - 5000000, err
}

// people returns a scenario with these users.
func people(all []kind) *scenario.Scenario {
	s := new(scenario.Scenario)
	for i, k := range all {
		s.Users = append(s.Users, scenario.User{
			MSISDN: msisdn(i), Methods: k.methods, KeyType: k.keyType, State: k.state, Behaviour: k.behaviour,
		})
	}
	return s
}
