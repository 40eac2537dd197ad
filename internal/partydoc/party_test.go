package partydoc_test

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/partydoc"
)

func TestPartyCheck(t *testing.T) {
	ok := partydoc.Party{APID: "mid://example.com", DefaultLang: "DE"}
	if err := ok.Check(); err != nil {
		t.Error(err)
	}
	secret := "x"
	for _, p := range []partydoc.Party{
		{}, {APID: "no uri"}, {APID: "example"}, {APID: "mid://a", DefaultLang: "xx"}, {APID: "mid://a", Prefix: "a\u200bb"},
		{APID: "mid://a", Password: &secret, PasswordHash: "h"}, {APID: "mid://a", Pins: []string{"00"}},
	} {
		if err := p.Check(); err == nil {
			t.Errorf("%+v was accepted", p)
		}
	}
}

func pointer[T any](v T) *T { return &v }

// stored has a value in every member that a document describes.
func stored() *mssp.Party {
	rate := mssp.Rate{PerMinute: 6, Burst: 2}
	return &mssp.Party{
		ID: "mid://bank.example", Name: "Bank", PasswordHash: "hash", DTBDPrefix: "Bank: ", Pins: []mssp.Pin{{1}, {2}},
		Profiles: []string{signum.ProfileAnyLoA4}, AuthProfile1: signum.ProfileAnyLoA4, Services: []string{signum.ServiceValidate}, DefaultLang: "de",
		AutoActivation: true, TestNumbers: true, EncryptedReceipts: true, UnprefixedReceipts: true, SubjectNameBase64: true,
		Geofence: mssp.PartyGeofence{Enabled: true, Verbose: true, Geofence: mssp.Geofence{
			CountryWhitelist: []string{"CH"}, CountryBlacklist: []string{"DE"}, MinDeviceConfidence: 0.5, MinLocationConfidence: 0.6,
			MaxTimestampMinutes: pointer(0), MaxAccuracyMeters: pointer(100),
		}},
		Limits: mssp.PartyLimits{
			MaxOpen: 3, Requests: rate, Statuses: rate, Profiles: rate, Unknown: rate, PerNumber: rate, OTP: rate, OTPNumber: rate,
			OTPPrefixes: []string{"+41"}, Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
		},
	}
}

// A stored party survives its document, whatever rights absent members would get.
func TestStoredAgain(t *testing.T) {
	prefixes := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	for name, m := range map[string]*mssp.Party{"everything": stored(), "nothing": {ID: "mid://a"}} {
		for _, absent := range []partydoc.Rights{{}, partydoc.AllRights()} {
			doc := partydoc.Of(m)
			if diff := cmp.Diff(m, doc.Stored(absent), prefixes, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	}
}

// A member that is added to mssp.Party must be added to the document, or to this list.
func TestStoredEverything(t *testing.T) {
	other := []string{"Logo", "Own"}
	for f, v := range reflect.ValueOf(*stored()).Fields() {
		if v.IsZero() && !strings.Contains(strings.Join(other, " "), f.Name) {
			t.Errorf("%s is not tested", f.Name)
		}
	}
}

// An absent right is another thing than an empty list.
func TestAbsentRights(t *testing.T) {
	all, none := partydoc.Party{APID: "mid://a"}, partydoc.Party{APID: "mid://a", Profiles: []string{}, Services: []string{}, TestNumbers: pointer(false)}
	if m := all.Stored(partydoc.AllRights()); len(m.Profiles) != len(signum.SignatureProfiles) || !m.TestNumbers || !m.Subscribed(signum.ServiceValidate) {
		t.Errorf("%+v", m)
	}
	if m := all.Stored(partydoc.Rights{}); len(m.Profiles)+len(m.Services) > 0 || m.TestNumbers || m.AutoActivation {
		t.Errorf("%+v", m)
	}
	if m := none.Stored(partydoc.AllRights()); len(m.Profiles)+len(m.Services) > 0 || m.TestNumbers || !m.AutoActivation {
		t.Errorf("%+v", m)
	}
}
