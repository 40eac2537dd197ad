package sandbox

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/signum-mssp/signum/internal/lab/scenario"
	"github.com/signum-mssp/signum/internal/lab/world"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/policy"
)

// OwnUsers are the users whom the developer added, in this run or in an earlier one of
// the directory.
func (b *Sandbox) OwnUsers() (own []User) {
	for _, u := range b.World.Users() {
		if !u.IsPattern() && !everyones(u.MSISDN) {
			own = append(own, described(u))
		}
	}
	return own
}

// everyones reports whether every sandbox has the user.
func everyones(msisdn string) bool {
	return slices.ContainsFunc(Users(), func(u User) bool { return u.MSISDN == msisdn })
}

// parseUser returns the number of a user to add, in the form in which it is stored.
func parseUser(number string) (string, error) {
	if e164, ok := policy.CanonicalMSISDN(number); ok && policy.TestFault(new(mssp.Party), e164) != nil {
		return "", fmt.Errorf("%s: a test number, which returns the fault in its last digits", number)
	}
	msisdn, ok := policy.ParseMSISDN(number)
	switch {
	case !ok:
		return "", fmt.Errorf("%s: not a phone number with its country code, such as +41791234567", number)
	case everyones(msisdn):
		return "", fmt.Errorf("%s: every sandbox has this user already, with phones of its own; choose another number", number)
	}
	return msisdn, nil
}

// firstUsers returns the users of every sandbox, those of earlier runs, and those whom the
// developer adds now.
func firstUsers(kept []scenario.User, numbers []string) (users []scenario.User, err error) {
	for _, u := range Users() {
		users = append(users, asked(u))
	}
	for _, u := range kept {
		if i := slices.IndexFunc(users, func(o scenario.User) bool { return o.MSISDN == u.MSISDN }); i >= 0 {
			users[i] = u
		} else {
			users = append(users, u)
		}
	}
	var wrong []string
	for _, number := range numbers {
		msisdn, err := parseUser(number)
		if err != nil {
			wrong = append(wrong, err.Error())
			continue
		}
		if !slices.ContainsFunc(users, func(u scenario.User) bool { return u.MSISDN == msisdn }) {
			users = append(users, scenario.User{MSISDN: msisdn})
		}
	}
	if len(wrong) > 0 {
		return nil, &OptionError{"Users", errors.New(strings.Join(wrong, "; "))}
	}
	return users, nil
}

// formerUsers returns the users whom an older version added.
func formerUsers(info *Info) (users []scenario.User) {
	for _, u := range info.Users {
		if msisdn, err := parseUser(u.MSISDN); err == nil {
			users = append(users, scenario.User{MSISDN: msisdn})
		}
	}
	return users
}

// keptUsers returns the users who are not those of every sandbox, or differ from them.
func (b *Sandbox) keptUsers() []scenario.User {
	return slices.DeleteFunc(b.World.Users(), func(u scenario.User) bool {
		return slices.ContainsFunc(Users(), func(o User) bool { return sameUser(asked(o), u) })
	})
}

func sameUser(a, b scenario.User) bool {
	a, b = world.WithDefaults(a), world.WithDefaults(b)
	methods := slices.Equal(a.Methods, b.Methods)
	a.Methods, b.Methods = nil, nil
	return methods && a.MSISDN == b.MSISDN && a.KeyType == b.KeyType && a.State == b.State && a.Network == b.Network &&
		a.Location == b.Location && a.Behaviour == b.Behaviour
}

// describeUsers returns the users and the patterns as sandbox.json lists them.
func describeUsers(all []scenario.User) (users, patterns []User) {
	for _, u := range all {
		if u.IsPattern() {
			patterns = append(patterns, described(u))
		} else {
			users = append(users, described(u))
		}
	}
	return users, patterns
}
