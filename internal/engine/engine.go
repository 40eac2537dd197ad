package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/admission"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/password"
	"github.com/signum-mssp/signum/internal/policy"
)

// Config holds the parts and settings of an engine. A duration of zero takes
// its default.
type Config struct {
	Store    mssp.Store
	Channels map[signum.Method]mssp.Channel
	Issuer   mssp.Issuer // for SIMs that are activated on the way; nil: none is activated
	// NewSerial returns a serial number for an account that may not keep its own.
	// Required with Issuer.
	NewSerial func() string
	Notifier  mssp.Notifier   // tells users that their SIM was activated; nil: nobody is told
	Texts     mssp.TextSender // for one-time passwords; nil: their profiles are refused with 109
	Chains    mssp.Chains     // the CAs that stand after a subscriber's certificate in its CMS
	MSSPURI   string          // MSSP_ID/URI of answers
	// HomeNetwork is the MCC and MNC of the network that can locate its SIMs.
	// Empty: no SIM can be located.
	HomeNetwork string
	// AuthURI is the address that opens the app that signs (app2app); parameters
	// are added to it. Empty: signum.DefaultAuthURI.
	AuthURI string
	// ServiceName is what users know the service by, in the texts that the engine
	// sends of its own accord. Required with Texts.
	ServiceName string
	Clock       mssp.Clock
	Logger      *slog.Logger

	Skew      time.Duration // how far a request's Instant may be off; 5 min
	Retention time.Duration // how long a party can read an outcome; 1 h, at least twice Skew
	HandOver  time.Duration // how long a channel may take to accept a request; 15 s
	// StoreWait is how long a call may take for all that it needs before it waits for a
	// phone; 10 s. It is what a party waits for at most while the store does not answer.
	StoreWait time.Duration
	Sweep     time.Duration // how often to look for expired transactions; 250 ms
	// MinTimeout is the shortest TimeOut that a request may name; 15 s.
	MinTimeout time.Duration
	Limits     Limits
	Gate       *admission.Gate // lets new work in; nil: everything is let in
	// Cluster is of the nodes that share the store; nil: no other node does.
	Cluster Cluster
	// Poll is how often to look for outcomes that another node decided. While its notices
	// arrive, it is slowPoll times as long. 0: 1 s, or not at all without a Cluster.
	Poll time.Duration
}

// Engine runs transactions. Its methods are safe for concurrent use.
type Engine struct {
	cfg          Config
	limits       *limits
	reports      reports
	turns        *turns
	waiters      waiters // for signatures
	receipts     waiters // for receipts
	flights      flights
	passwords    *password.Checker
	sendingTexts sync.Map // ids of the transactions whose texts this node is sending
	running      sync.WaitGroup
	round        round
	jumps        jumps
	peers        peers
}

// New checks the configuration and returns an engine. Run makes it live.
func New(cfg Config) (*Engine, error) {
	if cfg.Store == nil || cfg.Chains == nil || len(cfg.Channels) == 0 {
		return nil, errors.New("engine: a store, the chains of certificates, and at least one channel are needed")
	}
	if cfg.Issuer != nil && cfg.NewSerial == nil {
		return nil, errors.New("engine: an issuer needs serial numbers for accounts")
	}
	if cfg.Texts != nil && cfg.ServiceName == "" {
		return nil, errors.New("engine: texts to users need the name of the service")
	}
	for _, d := range []struct {
		v   *time.Duration
		def time.Duration
	}{
		{&cfg.Skew, policy.DefaultSkew},
		{&cfg.Retention, time.Hour},
		{&cfg.HandOver, 15 * time.Second},
		{&cfg.StoreWait, 10 * time.Second},
		{&cfg.Sweep, 250 * time.Millisecond},
		{&cfg.MinTimeout, policy.DefaultMinTimeout},
	} {
		if *d.v == 0 {
			*d.v = d.def
		}
	}
	// A call is known to have been made before for as long as its row exists.
	// By the time the row is purged, the call must be refused for its age.
	if cfg.Retention < 2*cfg.Skew {
		return nil, fmt.Errorf("engine: retention %s is shorter than twice the skew %s", cfg.Retention, cfg.Skew)
	}
	if cfg.AuthURI == "" {
		cfg.AuthURI = signum.DefaultAuthURI
	}
	if _, err := url.Parse(cfg.AuthURI); err != nil {
		return nil, fmt.Errorf("engine: AuthURI: %w", err)
	}
	if cfg.Clock == nil {
		cfg.Clock = mssp.SystemClock{}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Engine{
		cfg:       cfg,
		limits:    newLimits(cfg.Limits),
		turns:     newTurns(),
		passwords: password.NewChecker(),
		flights:   newFlights(),
		waiters:   waiters{m: make(map[string]*waiter)},
		receipts:  waiters{m: make(map[string]*waiter)},
		peers:     newPeers(cfg.Cluster == nil),
	}, nil
}

// now returns the time to the microsecond, the precision of the stores.
func (e *Engine) now() time.Time { return e.cfg.Clock.Now().Truncate(time.Microsecond) }

// refusalTime is how long it takes at least to refuse a caller. The store answers from
// memory or from disk, depending on whether the party exists and has called lately; the
// time of a refusal must not tell.
const refusalTime = 5 * time.Millisecond

// party authenticates the caller of a message. Only the note of a refusal, for the
// log, tells an unknown party from a wrong certificate.
func (e *Engine) party(ctx context.Context, c *mssp.Caller, h *signum.Header) (*mssp.Party, error) {
	start := time.Now()
	p, err := e.cfg.Store.Party(ctx, h.AP.ID)
	if err != nil && !errors.Is(err, mssp.ErrNotFound) {
		return nil, fmt.Errorf("reading party: %w", err)
	}
	if errors.Is(err, mssp.ErrNotFound) {
		p = nil
	}
	err = policy.Authenticate(p, *c)
	if err == nil && p.PasswordHash != "" {
		// Last, because only the party's own clients may cause the computation.
		if perr := e.passwords.Check(p.ID, p.PasswordHash, h.AP.Password, e.now()); perr != nil {
			err = policy.BadCredentials("AP_PWD: " + perr.Error())
		}
	}
	if err != nil {
		select {
		case <-time.After(refusalTime - time.Since(start)):
		case <-ctx.Done():
		}
		return nil, err
	}
	return p, nil
}

// enter authenticates the caller of a message and lets the call in, unless the party
// has used up one of its limits. A call that was let in must leave.
func (e *Engine) enter(ctx context.Context, c *mssp.Caller, op signum.Operation, h *signum.Header) (*mssp.Party, error) {
	p, err := e.party(ctx, c, h)
	if err != nil {
		return nil, err
	}
	return p, e.limits.enter(p, op, e.now())
}

func (e *Engine) leave(p *mssp.Party) { e.limits.open.leave(p.ID) }

// subscriber returns the account of a number, or nil if there is none that this
// party may see.
func (e *Engine) subscriber(ctx context.Context, p *mssp.Party, msisdn string) (*mssp.Subscriber, error) {
	if policy.Hidden(p, msisdn) {
		return nil, nil
	}
	s, err := e.cfg.Store.Subscriber(ctx, msisdn)
	if errors.Is(err, mssp.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading subscriber: %w", err)
	}
	return s, nil
}

// responseHeader repeats the party's part of the header and adds the
// provider's. Instant is returned in UTC with milliseconds; policy has refused
// any that cannot be parsed.
func (e *Engine) responseHeader(h *signum.Header) signum.Header {
	out := signum.Header{
		Version: signum.Version{Major: "1", Minor: "1"},
		AP:      h.AP,
		MSSP:    signum.MSSPInfo{URI: e.cfg.MSSPURI, Instant: signum.FormatInstant(e.cfg.Clock.Now())},
	}
	if at, ok := signum.ParseInstant(h.AP.Instant); ok {
		out.AP.Instant = signum.FormatInstant(at)
	}
	return out
}
