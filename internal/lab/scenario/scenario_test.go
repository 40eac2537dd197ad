package scenario_test

import (
	"testing"

	"github.com/signum-mssp/signum"

	"github.com/signum-mssp/signum/internal/lab/scenario"
)

func TestUserCheck(t *testing.T) {
	for number, want := range map[string]string{
		"+41791234567": "+41791234567", "41791234567": "+41791234567", "+4179001*": "+4179001*", "4179001*": "+4179001*",
		"0791234567": "", "*": "", "+41*": "", "+079*": "", "+4179a*": "", "+41000092401": "",
	} {
		u := scenario.User{MSISDN: number}
		if err := u.Check(); (err == nil) != (want != "") || err == nil && u.MSISDN != want {
			t.Errorf("%s: %q, %v", number, u.MSISDN, err)
		}
	}
	for _, u := range []scenario.User{
		{Methods: []signum.Method{"OTP"}}, {KeyType: "DSA"}, {State: "dead"}, {Methods: []signum.Method{signum.SIM, signum.SIM}}, {Network: "228"}, {Network: "22801x"}, {Location: "XYZ"},
		{Behaviour: "maybe"},
	} {
		u.MSISDN = "+41791234567"
		if err := u.Check(); err == nil {
			t.Errorf("%+v was accepted", u)
		}
	}
}

func TestParseState(t *testing.T) {
	for _, s := range scenario.States() {
		for _, text := range []string{string(s), s.Flag()} {
			if got, err := scenario.ParseState(text); err != nil || got != s {
				t.Errorf("%s: %s, %v", text, got, err)
			}
		}
	}
	if _, err := scenario.ParseState("asleep"); err == nil {
		t.Error("an unknown state was accepted")
	}
}

func TestPatternMatches(t *testing.T) {
	u := scenario.User{MSISDN: "+4179001*"}
	for number, want := range map[string]bool{"+41790011234": true, "+41790021234": false, "+4179001": true} {
		if u.Matches(number) != want {
			t.Errorf("%s: %t", number, !want)
		}
	}
}
