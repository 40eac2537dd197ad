package mssp

import (
	"slices"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
)

// The profile that an answer names admits the method that signed.
func TestMethods(t *testing.T) {
	for i, m := range Methods {
		if m.Method == "" || m.Timeout < 15*time.Second || m.Timeout > 300*time.Second {
			t.Errorf("method %d: %+v", i, m)
		}
		if p := ProfileOf(m.Profile); p == nil || !slices.Equal(p.Methods, []signum.Method{m.Method}) {
			t.Errorf("%s answers with %q, which is not its own profile", m.Method, m.Profile)
		}
		if got := MethodOf(m.Method); got.Profile != m.Profile {
			t.Errorf("%s: found %+v", m.Method, got)
		}
	}
	if got := MethodOf("SMS"); got.Method != "" || got.Timeout != 0 {
		t.Errorf("a method that there is not: %+v", got)
	}
}

// The table and the list for application providers have the same profiles in the same
// order, and a profile without methods sends a one-time password.
func TestProfiles(t *testing.T) {
	var uris []string
	for _, p := range Profiles {
		uris = append(uris, p.URI)
		if (len(p.Methods) == 0) != signum.IsOTP(p.URI) {
			t.Errorf("%s has methods %v", p.URI, p.Methods)
		}
		for _, m := range p.Methods {
			if MethodOf(m).Method == "" {
				t.Errorf("%s names the unknown method %q", p.URI, m)
			}
		}
	}
	if !slices.Equal(uris, signum.SignatureProfiles) {
		t.Errorf("profiles %v, want %v", uris, signum.SignatureProfiles)
	}
	if p := ProfileOf(signum.ProfileAuth1); p.Admits(signum.SIM) {
		t.Errorf("AuthProfile1 without a mapping: %+v", p)
	}
}
