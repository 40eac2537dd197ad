package worlds

import (
	"context"
	"net/http"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/account"
	"github.com/signum-mssp/signum/internal/app"
	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/engine"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/lab/phones"
	"github.com/signum-mssp/signum/internal/lab/smsc"
	"github.com/signum-mssp/signum/internal/lab/softapp"
	"github.com/signum-mssp/signum/internal/lab/world"
	"github.com/signum-mssp/signum/internal/limit"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/policy"
	"github.com/signum-mssp/signum/internal/sim"
	"github.com/signum-mssp/signum/internal/simcards"
	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/smpp/group"
)

const (
	serviceName   = "Signum"
	serviceNumber = "41790000500"
	smscName      = "sandbox"
	// An open inbox takes about 100 KiB on both sides together; worlds have many Apps, of
	// which few are busy.
	appIdle = 2 * time.Second
)

// assemble wires the service of a world, which a node does for the directory's.
func (w *World) assemble() (err error) {
	cfg := &w.set.cfg
	if w.ca, err = ca.New(cfg.Authority, w.store, ca.Options{URL: w.PKIURL(), Clock: cfg.Clock, Log: cfg.Logger}); err != nil {
		return err
	}
	w.pki = http.StripPrefix(w.prefix, w.ca.Handler())
	if err := w.newSIMs(); err != nil {
		return err
	}
	w.accounts = account.New(account.Config{
		Silent: w.Silent, Store: w.store, Texts: w.sims, ServiceName: serviceName,
		WebURL: func() string { return cfg.WebURL }, Clock: cfg.Clock, Logger: cfg.Logger,
	})
	w.cards, err = simcards.New(simcards.Config{
		Notifier: w.accounts, Store: w.store, Keys: cfg.KeyRing, Revoke: w.ca.Revoke, NewSerial: ca.NewSerial, ParseMSISDN: policy.ParseMSISDN,
		Profiles: func() []string { return []string{mssp.DefaultProfile} }, Network: world.HomeNetwork, Placed: w.CardAssigned, Clock: cfg.Clock, Logger: cfg.Logger,
		Recheck: func(ctx context.Context, msisdn string) error { return w.engine.Recheck(ctx, msisdn) },
	})
	if err != nil {
		return err
	}
	unlimited := limit.PerMinute(6_000_000, 1_000_000)
	w.apps, err = app.New(app.Config{
		Accounts: w.accounts, Store: w.store, CA: w.ca, Clock: cfg.Clock, Logger: cfg.Logger, Service: cfg.MSSPURI, WebURL: cfg.WebURL, Prefix: w.prefix,
		NewSerial: ca.NewSerial, Limits: app.Limits{Begin: unlimited, Address: unlimited, Device: unlimited, Subscriber: unlimited},
	})
	if err != nil {
		return err
	}
	w.web = http.StripPrefix(w.prefix, w.apps.Handler())
	if err := w.newEngine(); err != nil {
		return err
	}
	w.Connect(world.Service{
		Store: w.store, CA: w.ca, Apps: w.apps, Cards: w.cards, KeyRing: cfg.KeyRing, Answers: w.engine, Inbox: w.engine, PKIURL: w.PKIURL(), WebURL: cfg.WebURL,
	})
	apps, err := softapp.New(softapp.Config{
		Base: cfg.AppsURL + w.prefix + softapp.Path, HTTPClient: cfg.AppClient, Clock: cfg.Clock, Logger: cfg.Logger,
		Delay: cfg.PhoneDelay, FastKDF: true, Idle: appIdle, Decide: w.Decide, Observe: w.Observe,
	})
	if err == nil {
		w.ConnectApps(apps)
	}
	return err
}

// newSIMs makes the channel to the SIMs, and the network that carries its messages.
func (w *World) newSIMs() (err error) {
	cfg := &w.set.cfg
	w.smsc, err = smsc.New(smsc.Config{Local: w.fromPhone, Radio: phones.Air{Network: w.Handsets}, Clock: cfg.Clock, Logger: cfg.Logger})
	if err != nil {
		return err
	}
	w.Handsets.Connect(w.smsc.Submit)
	style := new(group.Style)
	w.sims, err = sim.New(sim.Config{
		Store: w.store, Keys: cfg.KeyRing, Locator: w.Locate,
		Send: func(_ context.Context, send func(*group.Route) error) error {
			return send(&group.Route{Name: smscName, Style: style, Submit: w.smsc.SubmitSM})
		},
		ServiceAddress: smpp.Address{TON: smpp.TONInternational, NPI: smpp.NPIISDN, Addr: serviceNumber},
		// The network knows at once who is out of reach.
		Settings: sim.Settings{Retry: sim.Retry{Absent: 1}},
		Clock:    cfg.Clock, Logger: cfg.Logger, TracedCards: 50,
	})
	return err
}

// fromPhone hands a message of a phone to the channel.
func (w *World) fromPhone(ctx context.Context, d *smpp.DeliverSM) smpp.Status {
	return w.sims.Deliver(ctx, smscName, d, new(event.Event))
}

func (w *World) newEngine() (err error) {
	cfg := &w.set.cfg
	w.engine, err = engine.New(engine.Config{
		Store: w.WrapStore(w.store), Chains: w.ca, Issuer: w.ca, NewSerial: ca.NewSerial, Notifier: w.accounts, Texts: w.sims, ServiceName: serviceName,
		Channels: map[signum.Method]mssp.Channel{signum.SIM: w.WrapSIMs(w.sims, lateEngine{w}), signum.App: w.WrapApps(w.apps, lateEngine{w})},
		MSSPURI:  cfg.MSSPURI, HomeNetwork: world.HomeNetwork.MCC + world.HomeNetwork.MNC, Clock: cfg.Clock, Logger: cfg.Logger,
		MinTimeout: cfg.MinTimeout, Limits: engine.Limits{Party: mssp.PartyLimits{OTPPrefixes: []string{"+"}}},
	})
	if err != nil {
		return err
	}
	answers := w.WrapAnswers(w.engine)
	w.sims.Connect(answers, w.engine)
	w.apps.Connect(answers, w.engine)
	w.accounts.Connect(w.apps, func(string) {})
	return nil
}

// lateEngine stands for the engine before it exists: the engine needs the channels, which
// answer to it.
type lateEngine struct{ w *World }

// Answer implements mssp.AnswerHandler.
func (l lateEngine) Answer(ctx context.Context, a mssp.DeviceAnswer) error {
	return l.w.engine.Answer(ctx, a)
}
