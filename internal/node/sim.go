package node

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/account"
	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/policy"
	"github.com/signum-mssp/signum/internal/sim"
	"github.com/signum-mssp/signum/internal/simcards"
	"github.com/signum-mssp/signum/internal/smpp"
)

// newSIMs makes the channel to SIM cards and their provisioning.
func (n *Node) newSIMs(context.Context) error {
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
	if n.smsc, err = n.newSMSC(); err != nil {
		return fmt.Errorf("SMSC: %w", err)
	}
	submit := noSMSC
	if n.smsc != nil {
		submit = n.smsc.Submit
	}
	n.SIMs, err = sim.New(sim.Config{
		Store: n.Store, Keys: n.KeyRing, Submit: submit, Locator: n.deps.Locator,
		// Without an SMSC there may be no number, and nothing is sent.
		ServiceAddress: smpp.Address{TON: tonInternational, NPI: npiE164, Addr: cmp.Or(c.ServiceNumber, "0")},
		Retry:          sim.Retry(c.Retry),
		Clock:          n.deps.Clock, Logger: n.deps.Logger,
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
		Network: signum.Network(c.HomeNetwork), Placed: n.deps.CardAssigned, Clock: n.deps.Clock, Logger: n.deps.Logger,
		Recheck: func(ctx context.Context, msisdn string) error { return n.engine.Recheck(ctx, msisdn) },
	})
	return err
}

// Of a telephone number (SMPP 3.4, clauses 5.2.5 and 5.2.6).
const (
	tonInternational = 1
	npiE164          = 1
)

// newSMSC is nil if none is configured.
func (n *Node) newSMSC() (*smpp.Client, error) {
	c := n.cfg.SIM.SMSC
	if c.Address == "" {
		return nil, nil
	}
	out := smpp.ClientConfig{
		Addr: string(c.Address), SystemID: c.SystemID, Password: c.Password.Reveal(), SystemType: c.SystemType,
		Sessions: smpp.Sessions{Transceivers: c.Binds}, Window: c.Window,
		EnquireLink: c.EnquireLink, ResponseTimeout: c.ResponseTimeout, DialTimeout: c.DialTimeout,
		Events: n.events, Logger: n.deps.Logger,
		Deliver: func(ctx context.Context, d *smpp.DeliverSM, e *event.Event) smpp.Status {
			return n.SIMs.Deliver(ctx, d, e)
		},
	}
	if c.TLS {
		out.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return smpp.NewClient(out)
}

func noSMSC(context.Context, *smpp.SubmitSM) (string, error) {
	return "", errors.New("no SMSC is configured")
}
