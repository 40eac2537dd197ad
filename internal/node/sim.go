package node

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/account"
	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/policy"
	"github.com/signum-mssp/signum/internal/sim"
	"github.com/signum-mssp/signum/internal/simcards"
	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/smpp/group"
)

// newSIMs makes the channel to SIM cards and their provisioning.
func (n *Node) newSIMs(ctx context.Context) error {
	c := n.cfg.SIM
	key, err := c.MasterKeyBytes()
	if err != nil {
		return err
	}
	if key == nil { // without an SMSC no card is reached, so that no card key has to last
		key = make([]byte, simcards.MasterKeySize)
		if _, err := rand.Read(key); err != nil {
			return err
		}
	}
	if n.KeyRing, err = simcards.NewKeyRing(key); err != nil {
		return fmt.Errorf("master key of cards: %w", err)
	}
	if n.smscs, err = n.newSMSCs(); err != nil {
		return err
	}
	var send group.Sender
	var unbound func(answers bool) time.Duration
	if n.smscs != nil {
		send, unbound = n.smscs.Send, n.smscs.Unbound
	}
	n.SIMs, err = sim.New(sim.Config{
		Store: n.Store, Keys: n.KeyRing, Send: send, Unbound: unbound, Late: func() bool { return n.gate.Late() }, Locator: n.deps.Locator,
		// Without an SMSC there may be no number, and nothing is sent.
		ServiceAddress: smpp.Address{TON: smpp.TONInternational, NPI: smpp.NPIISDN, Addr: cmp.Or(c.ServiceNumber, "0")},
		Settings:       simSettings(&c), Cluster: n.cluster,
		Clock: n.deps.Clock, Logger: n.deps.Logger, Outbox: n.rows, Parts: n.rows, Peers: n.simPeers(),
	})
	if err != nil {
		return err
	}
	n.onClose(func() error { n.SIMs.Close(); return nil })
	n.accounts = account.New(account.Config{
		Silent: n.deps.Silent, Store: n.Store, Texts: n.SIMs, ServiceName: n.cfg.Service.Name, WebURL: n.WebURL, Clock: n.deps.Clock, Logger: n.deps.Logger,
	})
	n.onClose(func() error { n.accounts.Close(); return nil })
	n.Cards, err = simcards.New(simcards.Config{
		Notifier: n.accounts, Store: n.Store, Keys: n.KeyRing, Revoke: n.CA.Revoke, NewSerial: ca.NewSerial, ParseMSISDN: policy.ParseMSISDN,
		Profiles: func() []string { return profileNames(n.current().SIM.CardProfiles) }, Network: signum.Network(c.HomeNetwork), Placed: n.deps.CardAssigned, Clock: n.deps.Clock, Logger: n.deps.Logger,
		Recheck: func(ctx context.Context, msisdn string) error { return n.engine.Recheck(ctx, msisdn) },
	})
	if err != nil {
		return err
	}
	return n.checkProfiles(ctx, c.CardProfiles)
}

// simSettings translates what can change while the node runs.
func simSettings(c *config.SIM) sim.Settings {
	return sim.Settings{
		Retry: sim.Retry(c.Retry), Advance: sim.Advance{Step: uint64(c.Advance.Step), Daily: uint64(c.Advance.Daily)},
		UnboundLimit: c.UnboundLimit, Profiles: profilesOf(c.CardProfiles),
	}
}
