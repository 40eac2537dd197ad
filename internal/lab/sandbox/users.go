package sandbox

import (
	"context"
	"slices"
	"strings"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/scenario"
	"github.com/signum-mssp/signum/internal/lab/world"
)

// Users are the users of every sandbox; the last two have the test numbers
// that sign.
func Users() []User {
	sim, app := []signum.Method{signum.SIM}, []signum.Method{signum.App}
	both := []signum.Method{signum.SIM, signum.App}
	home, other := world.HomeNetwork.MCC+world.HomeNetwork.MNC, world.OtherNetwork.MCC+world.OtherNetwork.MNC
	return []User{
		{MSISDN: "+41791000001", Methods: sim, KeyType: signum.EC, Network: home},
		{MSISDN: "+41791000002", Methods: app, KeyType: signum.EC},
		{MSISDN: "+41791000003", Methods: both, KeyType: signum.EC, Network: home},
		{MSISDN: "+41791000004", Methods: []signum.Method{}, KeyType: signum.EC},
		{MSISDN: "+41791000005", Methods: sim, KeyType: signum.RSA, Network: home},
		{MSISDN: "+41791000006", Methods: sim, KeyType: signum.EC, Network: home, State: string(signum.DeviceRegistered)},
		{MSISDN: "+41791000007", Methods: both, KeyType: signum.EC, Network: other},
		{MSISDN: "+41700092501", Methods: sim, KeyType: signum.EC, Network: home},
		{MSISDN: "+41700092502", Methods: sim, KeyType: signum.RSA, Network: home},
	}
}

// AddUser makes an account with a phone for each of its methods, or completes
// the existing one. An App has an EC key, whatever the user's KeyType. The
// sandbox must be ready.
func (b *Sandbox) AddUser(ctx context.Context, u User) error { return b.World.AddUser(ctx, asked(u)) }

// described is a user as sandbox.json shows it.
func described(u scenario.User) User {
	u = world.WithDefaults(u)
	d := User{MSISDN: u.MSISDN, Methods: u.Methods, KeyType: u.KeyType, Network: u.Network}
	if u.State != scenario.Active {
		d.State = string(u.State)
	}
	if !slices.Contains(u.Methods, signum.SIM) {
		d.Network = ""
	}
	return d
}

// asked is the opposite of described.
func asked(d User) scenario.User {
	u := scenario.User{MSISDN: d.MSISDN, Methods: d.Methods, KeyType: d.KeyType, Network: d.Network, State: scenario.State(strings.ToUpper(d.State))}
	if u.Methods == nil {
		u.Methods = []signum.Method{}
	}
	return u
}
