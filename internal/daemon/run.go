package daemon

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/node"
)

const (
	// readyPoll is how often a node that starts is asked whether it is ready.
	readyPoll = 20 * time.Millisecond
	// statusPoll is how often a node that serves is.
	statusPoll = 10 * time.Second
	// stopMargin is what a stop may take besides the time that is configured for it.
	stopMargin = 60 * time.Second
)

const serving = "Serving"

// run serves until ctx ends or the node fails.
func (s *server) run(ctx context.Context) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	alive, end := context.WithCancel(context.WithoutCancel(ctx))
	tended, cancel := context.WithCancel(ctx)
	var beside sync.WaitGroup
	beside.Go(func() {
		defer event.Rescue(s.log, "service manager")
		s.tend(tended, hangup)
		if ctx.Err() != nil {
			s.manager.Stopping("Stopping", s.cfg.Drain.Announce+s.cfg.Drain.Wait+stopMargin)
		}
	})
	beside.Go(func() {
		defer event.Rescue(s.log, "watchdog")
		s.manager.Watch(alive, s.node.Progress)
	})
	err := s.node.Run(ctx)
	cancel()
	end()
	beside.Wait()
	if err != nil {
		return &node.UnavailableError{Err: err}
	}
	return nil
}

// tend announces the node and reloads it when it is told to, until ctx ends.
func (s *server) tend(ctx context.Context, hangup <-chan os.Signal) {
	missing := s.awaitReady(ctx)
	if ctx.Err() != nil {
		return
	}
	s.announce(s.manager.Ready, missing)
	tick := time.NewTicker(statusPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			s.reload(ctx)
		case <-tick.C:
			if now := s.notReady(ctx); now != missing && ctx.Err() == nil {
				missing = now
				s.announce(s.manager.Status, missing)
			}
		}
	}
}

// awaitReady waits until the node is ready, or has had the time that SMSCs get for it, and
// returns what is missing. A node without an SMSC serves Apps, so it starts.
func (s *server) awaitReady(ctx context.Context) (missing string) {
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	enough := time.After(s.cfg.SIM.UnboundLimit)
	for {
		if missing = s.notReady(ctx); missing == "" {
			return ""
		}
		select {
		case <-ctx.Done():
			return missing
		case <-enough:
			return missing
		case <-tick.C:
		}
	}
}

// notReady says why the node should get no requests; empty: it should.
func (s *server) notReady(ctx context.Context) string {
	if err := s.node.NotReady(ctx); err != nil {
		return err.Error()
	}
	return ""
}

// announce tells the service manager and the log whether the node is ready.
func (s *server) announce(tell func(string), missing string) {
	if missing != "" {
		s.log.Warn("not ready", "missing", missing)
		tell("Not ready: " + missing)
		return
	}
	s.log.Info("ready")
	tell(serving)
}

// reload reads the configuration again. If anything in it is wrong, the node goes on with
// the one it has.
func (s *server) reload(ctx context.Context) {
	s.manager.Reloading()
	err := s.reloadNode(ctx)
	if err != nil {
		s.log.Error("the configuration was not reloaded; the node goes on with the one before", "err", err)
		s.manager.Ready("Serving with the configuration before, because a reload failed: " + firstFault(err))
		return
	}
	s.log.Info("reloaded", "configuration", s.options.File)
	s.manager.Ready(serving)
}

func (s *server) reloadNode(ctx context.Context) error {
	cfg, warnings, err := config.Load(s.options.File, s.options.Environ)
	if err != nil {
		s.node.ReloadFailed()
		return err
	}
	if err := s.node.Reload(ctx, *cfg); err != nil {
		return err
	}
	for _, w := range warnings {
		s.log.Warn("configuration", "problem", w.Error())
	}
	s.level.Set(cfg.Log.Level)
	s.cfg = *cfg
	return nil
}
