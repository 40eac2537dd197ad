package mssp

import (
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
