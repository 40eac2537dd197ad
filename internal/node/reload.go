package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/signum-mssp/signum/internal/app"
	"github.com/signum-mssp/signum/internal/certfile"
	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/door"
	"github.com/signum-mssp/signum/internal/engine"
	"github.com/signum-mssp/signum/internal/smpp/group"
)

// reloadable are the keys that a node takes over while it runs; one that ends with a dot
// stands for all below it. The process takes over log.level.
var reloadable = []string{
	"listen.mss.tls.", "listen.web.tls.", "listen.exempt", "trusted_proxies",
	"listen.mss.connections.max", "listen.web.connections.max", "listen.pki.connections.max", "listen.ops.connections.max",
	"listen.mss.connections.per_address", "listen.web.connections.per_address",
	"listen.pki.connections.per_address", "listen.ops.connections.per_address",
	"limits.party.", "limits.number.", "limits.otp.", "limits.reserved_files", "app.limits.", "app.max_open", "app.max_connections", "app.max_per_account", "admission.", "sim.max_open", "sim.retry.", "sim.advance.", "sim.unbound_limit", "sim.card_profiles", "sim.smscs", "drain.", "log.level",
}

// RestartError is why a configuration was not taken over.
type RestartError struct{ Keys []string }

func (e *RestartError) Error() string {
	return "nothing was reloaded, because these keys take effect at a restart only: " + strings.Join(e.Keys, ", ")
}

// reload is what a node knows about its configuration. The one in Node is that of the
// start.
type reload struct {
	mu  sync.Mutex
	cfg config.Config // that applies now

	clusters   atomic.Pointer[map[string]string] // of SMSCs, by their names
	ok, failed atomic.Uint64
	last       atomic.Int64 // when the last one succeeded, or the start, in Unix seconds
}

// current returns the configuration that applies now.
func (n *Node) current() config.Config {
	n.reload.mu.Lock()
	defer n.reload.mu.Unlock()
	return n.reload.cfg
}

func (n *Node) setCurrent(c config.Config) {
	clusters := clustersOf(c.SIM.SMSCs)
	n.reload.clusters.Store(&clusters)
	n.reload.cfg = c
	n.reload.last.Store(n.deps.Clock.Now().Unix())
}

// cluster is that of an SMSC; empty if it is in none.
func (n *Node) cluster(smsc string) string { return (*n.reload.clusters.Load())[smsc] }

// Reload takes over another configuration while the node runs, or changes nothing and
// says why. The files of TLS certificates are read again even if their names are the
// same. Connections, and requests on the way, go on as they began.
func (n *Node) Reload(ctx context.Context, c config.Config) (err error) {
	n.reload.mu.Lock()
	defer n.reload.mu.Unlock()
	defer func() {
		if err != nil {
			n.ReloadFailed()
		}
	}()
	if n.Stopping() {
		return errors.New("the node is stopping")
	}
	if err := c.Validate(); err != nil {
		return err
	}
	if keys := restartFor(&n.reload.cfg, &c); len(keys) > 0 {
		return &RestartError{keys}
	}
	ch, err := n.prepare(&c)
	if err != nil {
		return err
	}
	n.apply(&c, ch)
	n.setCurrent(c)
	if err := n.checkProfiles(ctx, c.SIM.CardProfiles); err != nil { // which only warns
		n.deps.Logger.WarnContext(ctx, "the profiles of cards were not compared with sim.card_profiles", "err", err)
	}
	n.reload.ok.Add(1)
	return nil
}

// ReloadFailed counts a configuration that could not even be read.
func (n *Node) ReloadFailed() { n.reload.failed.Add(1) }

// restartFor returns the keys that differ and cannot be taken over.
func restartFor(now, next *config.Config) (keys []string) {
	for _, path := range config.Changed(now, next) {
		switch {
		case path == "sim.smscs" && (len(now.SIM.SMSCs) == 0 || len(next.SIM.SMSCs) == 0):
		case strings.HasPrefix(path, "listen.web.tls.") && now.Listen.Web.TLS.IsZero() != next.Listen.Web.TLS.IsZero():
		case slices.ContainsFunc(reloadable, func(r string) bool { return path == r || strings.HasSuffix(r, ".") && strings.HasPrefix(path, r) }):
			continue
		}
		keys = append(keys, path)
	}
	return keys
}

// change is a configuration that has been checked by all parts that it concerns.
type change struct {
	certificates map[string]*certfile.Pair
	limits       engine.Limits
	room         map[string]int // connections, by listener
	smscs        *group.Change  // nil: they are the same
}

// prepare does everything that may fail.
func (n *Node) prepare(c *config.Config) (ch change, err error) {
	if ch.certificates, err = certificatesOf(c.Listen); err != nil {
		return ch, err
	}
	if ch.limits, err = limitsOf(c); err != nil {
		return ch, err
	}
	if ch.room, err = capacity(*c, openFiles()); err != nil {
		return ch, err
	}
	if !slices.Equal(n.reload.cfg.SIM.SMSCs, c.SIM.SMSCs) {
		list, err := n.smscsOf(c.SIM.SMSCs)
		if err != nil {
			return ch, err
		}
		if ch.smscs, err = n.smscs.Change(list); err != nil {
			return ch, fmt.Errorf("sim.smscs: %w", err)
		}
	}
	return ch, nil
}

func (n *Node) apply(c *config.Config, ch change) {
	for name, pair := range ch.certificates {
		n.certificates[name].Use(pair)
	}
	n.engine.SetLimits(ch.limits)
	n.setGate(c.Admission)
	n.SIMs.Set(simSettings(&c.SIM))
	n.Apps.SetLimits(appLimits(c.App))
	n.proxies.Set(c.TrustedProxies)
	n.exempt.Set(exemptOf(c))
	each := c.Listen
	for _, l := range []struct {
		door *door.Door
		config.Connections
	}{{n.doors.mss, each.MSS.Connections}, {n.doors.web, each.Web.Connections}, {n.doors.pki, each.PKI.Connections}, {n.doors.ops, each.Ops.Connections}} {
		if l.door != nil {
			l.door.Limit(ch.room[l.door.Name], l.PerAddress)
		}
	}
	if ch.smscs != nil {
		ch.smscs.Apply()
	}
}

// appLimits translates what Apps may use.
func appLimits(c config.App) app.Limits {
	l := c.Limits
	return app.Limits{
		Connections: c.MaxConnections, PerAccount: c.MaxPerAccount, Wakes: c.MaxOpen,
		Begin: rate(l.Begin), Address: rate(l.Address), Device: rate(l.Device), Subscriber: rate(l.Subscriber),
	}
}

// observeReloads lets metrics tell whether the configuration file is in use, and when
// certificates end.
func (n *Node) observeReloads() {
	n.metrics.Counters("signum_reloads_total", "Reloads of the configuration.", "result", func() map[string]uint64 {
		return map[string]uint64{"ok": n.reload.ok.Load(), "failed": n.reload.failed.Load()}
	})
	n.metrics.Gauge("signum_config_last_reload_success_timestamp_seconds", "When the configuration was read, at the start or by a reload.",
		func() float64 { return float64(n.reload.last.Load()) })
	n.metrics.Gauges("signum_tls_certificate_not_after_seconds", "When the TLS certificate of a listener, or one of its chain, ends.", "listener", func() map[string]uint64 {
		ends := make(map[string]uint64)
		for name, pair := range n.certificates {
			ends[name] = uint64(max(pair.NotAfter().Unix(), 0))
		}
		return ends
	})
}
