package sandbox

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/scenario"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/policy"
)

// ownUser is a user whom the developer adds: with SIM and App, and able to sign at once.
func ownUser(msisdn string) User {
	return User{
		MSISDN: msisdn, Methods: []signum.Method{signum.SIM, signum.App}, KeyType: signum.EC, Network: homeNetwork.MCC + homeNetwork.MNC,
	}
}

// OwnUsers are the users whom the developer added, in this run or in an earlier one of
// the directory.
func (b *Sandbox) OwnUsers() []User { return b.Info.Users[len(Users()):] }

// parseUser returns the number of a user to add, in the form in which it is stored.
func parseUser(number string) (string, error) {
	if e164, ok := policy.CanonicalMSISDN(number); ok && policy.TestFault(new(mssp.Party), e164) != nil {
		return "", fmt.Errorf("%s: a test number, which returns the fault in its last digits", number)
	}
	msisdn, ok := policy.ParseMSISDN(number)
	switch {
	case !ok:
		return "", fmt.Errorf("%s: not a phone number with its country code, such as +41791234567", number)
	case slices.ContainsFunc(Users(), func(u User) bool { return u.MSISDN == msisdn }):
		return "", fmt.Errorf("%s: every sandbox has this user already, with phones of its own; choose another number", number)
	}
	return msisdn, nil
}

// ownUsers returns the users whom the developer adds now, and those of earlier runs.
func ownUsers(kept []scenario.User, numbers []string) (users []User, err error) {
	add := func(msisdn string) {
		if !slices.ContainsFunc(users, func(u User) bool { return u.MSISDN == msisdn }) {
			users = append(users, ownUser(msisdn))
		}
	}
	for _, u := range kept {
		add(u.MSISDN)
	}
	var wrong []string
	for _, number := range numbers {
		msisdn, err := parseUser(number)
		if err != nil {
			wrong = append(wrong, err.Error())
			continue
		}
		add(msisdn)
	}
	if len(wrong) > 0 {
		return nil, &OptionError{"Users", errors.New(strings.Join(wrong, "; "))}
	}
	return users, nil
}

// formerUsers returns the numbers of the users whom an older version added.
func formerUsers(info *Info) (numbers []string) {
	for _, u := range info.Users {
		if msisdn, err := parseUser(u.MSISDN); err == nil {
			numbers = append(numbers, msisdn)
		}
	}
	return numbers
}
