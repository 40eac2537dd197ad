package mssp

import (
	"net/netip"
	"reflect"
	"testing"

	"github.com/signum-mssp/signum"
)

func TestPartyProfiles(t *testing.T) {
	p := &Party{}
	if p.Resolve("") != signum.ProfileSTK || p.Resolve(signum.ProfileAuth1) != signum.ProfileSTK || p.Resolve(signum.ProfileDevice) != signum.ProfileDevice {
		t.Error("AuthProfile1 is STK-LoA4 by default, others are themselves")
	}
	if p.MayUse(signum.App) || !p.Authorised("") || p.Authorised(signum.ProfileSTK) {
		t.Error("a bare party may use AuthProfile1 and nothing else")
	}
	if p.AuthProfile1 = signum.ProfileAnyLoA4; !p.MayUse(signum.App) {
		t.Error("the mapping reaches Apps")
	}
}

// TestPartyLimitsOr: each limit of a party replaces that of the service, and only it.
func TestPartyLimitsOr(t *testing.T) {
	service := PartyLimits{
		MaxOpen: 1, Requests: Rate{2, 2}, Statuses: Rate{3, 3}, Profiles: Rate{4, 4}, Unknown: Rate{5, 5}, PerNumber: Rate{6, 6},
		OTP: Rate{7, 7}, OTPNumber: Rate{8, 8}, OTPPrefixes: []string{"+41"},
	}
	if got := (&PartyLimits{}).Or(&service); !reflect.DeepEqual(got, service) {
		t.Errorf("nothing of its own: %+v", got)
	}
	own := PartyLimits{
		MaxOpen: 9, Requests: Rate{9, 2}, Statuses: Rate{9, 3}, Profiles: Rate{9, 4}, Unknown: Rate{9, 5}, PerNumber: Rate{9, 6},
		OTP: Rate{9, 7}, OTPNumber: Rate{9, 8}, OTPPrefixes: []string{"+49"}, Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
	}
	for i := range reflect.TypeFor[PartyLimits]().NumField() {
		var one PartyLimits
		reflect.ValueOf(&one).Elem().Field(i).Set(reflect.ValueOf(own).Field(i))
		want := service
		reflect.ValueOf(&want).Elem().Field(i).Set(reflect.ValueOf(own).Field(i))
		if got := one.Or(&service); !reflect.DeepEqual(got, want) {
			t.Errorf("%s of its own: %+v, want %+v", reflect.TypeOf(own).Field(i).Name, got, want)
		}
	}
}

func TestPartyLimitsCalls(t *testing.T) {
	l := PartyLimits{Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}}
	for addr, want := range map[string]bool{
		"192.0.2.1": true, "::ffff:192.0.2.255": true, "192.0.3.1": false, "2001:db8:1::1": true, "2001:db9::1": false, "::c000:201": false,
	} {
		if l.Calls(netip.MustParseAddr(addr)) != want {
			t.Errorf("from %s: want %v", addr, want)
		}
	}
	if l.Calls(netip.Addr{}) {
		t.Error("an unknown address is inside of a network")
	}
	if !(&PartyLimits{}).Calls(netip.Addr{}) {
		t.Error("without networks somebody is refused")
	}
}
