package main

import (
	"fmt"
	"strings"

	"github.com/signum-mssp/signum"
)

// profileNames are short names of the signature profiles.
var profileNames = []struct{ name, uri, meaning string }{
	{"any", signum.ProfileAnyLoA4, "the SIM, or an App if there is none"},
	{"stk", signum.ProfileSTK, "the SIM only"},
	{"device", signum.ProfileDevice, "an App only"},
	{"geo", signum.ProfileAnyGeo, "the SIM if it can be located, otherwise an App"},
	{"ecc", signum.ProfileAuth1ECC, "the SIM, with an EC key"},
	{"rsa", signum.ProfileAuth1RSA, "the SIM, with an RSA key"},
	{"otp", signum.ProfileOTPText, "sends the text as it is, as a one-time password; nothing is signed"},
	{"otp-flash", signum.ProfileOTPFlash, "the same, shown at once and not stored by the phone"},
	{"auth1", signum.ProfileAuth1, "deprecated; the meaning depends on the party's contract"},
}

// profileURI returns the URI for a --profile, which is a short name or a URI.
func profileURI(s string) (string, error) {
	var names []string
	for _, p := range profileNames {
		if strings.EqualFold(s, p.name) {
			return p.uri, nil
		}
		names = append(names, p.name)
	}
	if strings.Contains(s, ":") {
		return s, nil
	}
	return "", fmt.Errorf("--profile %s: neither a URI nor one of %s", s, strings.Join(names, ", "))
}

// profileName returns the short name of a URI, or - if it has none.
func profileName(uri string) string {
	for _, p := range profileNames {
		if uri == p.uri {
			return p.name
		}
	}
	return "-"
}

// profilesHelp lists the short names.
func profilesHelp() string {
	var b strings.Builder
	for _, p := range profileNames {
		fmt.Fprintf(&b, "\n  %-10s %s", p.name, p.meaning)
	}
	return b.String()
}
