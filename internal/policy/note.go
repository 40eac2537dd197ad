package policy

import (
	"fmt"
	"strings"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

func noAccount() error {
	return mssp.Noted(signum.NewFault(signum.UnknownClient), "no account has this number, or it is a test number that the party may not use")
}

func suspended() error {
	return mssp.Noted(signum.NewFault(signum.CardBlocked), "the account is suspended")
}

func blocked(d *mssp.Device) error {
	return mssp.Noted(signum.NewFault(signum.PINBlocked), "the PIN of %s is blocked", named(d))
}

// named is how notes name a device: its method and the beginning of its identifier.
func named(d *mssp.Device) string { return fmt.Sprintf("%s %.40s", d.Method, d.ID) }

// states lists the devices of an account with their states, a few of them at most.
func states(s *mssp.Subscriber) string {
	const most = 8
	var list []string
	for i := range s.Devices {
		if i == most {
			list = append(list, "…")
			break
		}
		d := &s.Devices[i]
		list = append(list, fmt.Sprintf("%s is %s", named(d), d.State))
	}
	if list == nil {
		return "the account has no device"
	}
	return strings.Join(list, ", ")
}
