package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/policy"
	"github.com/signum-mssp/signum/internal/sim"
	"github.com/signum-mssp/signum/internal/simcards"
	"github.com/signum-mssp/signum/internal/smpp"
)

// SIM is how the cards of users are reached.
type SIM struct {
	// SMSC is where messages to cards go, and short messages to users. Without an
	// address there is none, and both end with 209.
	SMSC smpp.ClientConfig
	// MasterKey (32 octets) wraps the keys of cards at rest. Empty: one that is
	// forgotten with the process.
	MasterKey []byte
	Source    smpp.Address // of requests, E.164; cards answer to it
	Retry     sim.Retry    // see there for the defaults
	Locator   sim.Locator  // tells where a SIM is; nil: nobody knows
	// Channel, if not nil, is put between the engine and the SIMs.
	Channel func(mssp.Channel) mssp.Channel
	// Network is that of cards of which nothing else is known, and Placed learns
	// of cards that provisioning brings: see simcards.Config.
	Network signum.Network
	Placed  func(ctx context.Context, c simcards.ImportedCard) error
}

// newSIMs makes what reaches cards and what provisions them.
func (s *Node) newSIMs() error {
	c := s.cfg.SIM
	if len(c.MasterKey) == 0 {
		c.MasterKey = make([]byte, simcards.MasterKeySize)
		if _, err := rand.Read(c.MasterKey); err != nil {
			return err
		}
	}
	var err error
	if s.KeyRing, err = simcards.NewKeyRing(c.MasterKey); err != nil {
		return fmt.Errorf("master key of cards: %w", err)
	}
	submit := noSMSC
	if c.SMSC.Addr != "" {
		c.SMSC.Logger = s.cfg.Logger
		c.SMSC.Deliver = func(ctx context.Context, d *smpp.DeliverSM) smpp.Status { return s.SIMs.Deliver(ctx, d) }
		if s.smsc, err = smpp.NewClient(c.SMSC); err != nil {
			return fmt.Errorf("SMSC: %w", err)
		}
		submit = s.smsc.Submit
	}
	s.SIMs, err = sim.New(sim.Config{
		Store: s.Store, Keys: s.KeyRing, Submit: submit, ServiceAddress: c.Source, Locator: c.Locator, Retry: c.Retry,
		Clock: s.cfg.Clock, Logger: s.cfg.Logger,
	})
	if err != nil {
		return err
	}
	s.Cards, err = simcards.New(simcards.Config{
		Store: s.Store, Keys: s.KeyRing, Revoke: s.CA.Revoke, NewSerial: ca.NewSerial, ParseMSISDN: policy.ParseMSISDN,
		Network: c.Network, Placed: c.Placed, Clock: s.cfg.Clock, Logger: s.cfg.Logger,
	})
	return err
}

func noSMSC(context.Context, *smpp.SubmitSM) (string, error) {
	return "", errors.New("no SMSC is configured")
}

// simChannel is what the engine gets.
func (s *Node) simChannel() mssp.Channel {
	if wrap := s.cfg.SIM.Channel; wrap != nil {
		return wrap(s.SIMs)
	}
	return s.SIMs
}

// runSMSC keeps the binds until ctx ends.
func (s *Node) runSMSC(ctx context.Context) error {
	if s.smsc == nil {
		<-ctx.Done()
		return nil
	}
	return s.smsc.Run(ctx)
}
