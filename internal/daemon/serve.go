package daemon

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/node"
)

// Exit codes of a process.
const (
	ExitStopped       = 0 // it was told to stop
	ExitConfiguration = 1 // it cannot start with this configuration, whenever it is tried
	ExitUnavailable   = 2 // a listener or the store failed
)

// ExitCode returns the exit code for what Serve returned.
func ExitCode(err error) int {
	if err == nil {
		return ExitStopped
	}
	if _, outside := errors.AsType[*node.UnavailableError](err); outside {
		return ExitUnavailable
	}
	return ExitConfiguration
}

// Options are what Serve needs besides the configuration.
type Options struct {
	File    string    // the configuration
	Environ []string  // as os.Environ
	Stderr  io.Writer // of the log
	Version string
}

// Serve runs a node until ctx ends. Its error says why the node did not start, or
// what failed; ExitCode tells the two apart.
func Serve(ctx context.Context, o Options) error {
	loaded, err := config.Open(o.File, o.Environ)
	if err != nil {
		NewManager(slog.New(slog.DiscardHandler)).Status(firstFault(err))
		return err
	}
	level := new(slog.LevelVar)
	cfg := loaded.Config
	level.Set(cfg.Log.Level)
	out := newLines(o.Stderr)
	defer out.Flush()
	s := &server{options: o, cfg: cfg, level: level, out: out, log: NewLogger(out, cfg.Log.Format, level)}
	report := lostLines(s.log)
	out.report.Store(&report)
	s.manager = NewManager(s.log)
	for _, w := range loaded.Warnings {
		s.log.Warn("configuration", "problem", w.Error())
	}
	err = loaded.Locate(s.serve(ctx))
	if err != nil {
		s.manager.Status(firstFault(err))
	}
	return err
}

// firstFault is what the service manager shows of an error.
func firstFault(err error) string { return config.Faults(err)[0].Error() }

// server is a node with its process.
type server struct {
	options Options
	cfg     config.Config
	level   *slog.LevelVar
	out     *lines // of the log
	log     *slog.Logger
	manager *Manager
	node    *node.Node
}

func (s *server) serve(ctx context.Context) (err error) {
	s.log.Info("starting", "version", s.options.Version, "configuration", s.options.File, "store", storeName(s.cfg.Store.URL.Reveal()))
	inherited, err := Inherit(s.cfg.Listen)
	if err != nil {
		return err
	}
	s.node, err = s.newNode(ctx, inherited)
	if err != nil {
		for _, l := range inherited {
			l.Close()
		}
		if ctx.Err() != nil {
			s.log.Info("stopped before the start was complete")
			return nil
		}
		return err
	}
	defer func() {
		if failed := s.node.Close(); failed != nil {
			err = errors.Join(err, &node.UnavailableError{Err: failed})
		}
		if err == nil {
			s.log.Info("stopped")
		}
	}()
	for _, name := range slices.Sorted(maps.Keys(s.node.Addresses())) {
		s.log.Info("listening", "listener", name, "address", s.node.Addresses()[name].String(), "inherited", inherited[name] != nil)
	}
	return s.run(ctx)
}

// Times of a start that upgrades the database.
const (
	upgradeStep = 20 * time.Second // how often the service manager is told
	upgradeTime = time.Minute      // what the start asks for each time
)

// newNode makes the node. If it may upgrade the database, nobody knows how long that takes, so
// the service manager is asked for more time as long as it goes on.
func (s *server) newNode(ctx context.Context, inherited map[string]net.Listener) (*node.Node, error) {
	if s.cfg.Store.Migrate {
		made, done := context.WithCancel(ctx)
		defer done()
		go func() {
			defer event.Rescue(s.log, "service manager")
			s.extend(made)
		}()
	}
	return node.New(ctx, s.cfg, node.Deps{Logger: s.log, LostLines: s.out.Lost, Version: s.options.Version, Listeners: inherited})
}

// extend asks for more time until ctx ends.
func (s *server) extend(ctx context.Context) {
	tick := time.NewTicker(upgradeStep)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.manager.Extend("Opening the database, which may have to be upgraded", upgradeTime)
		}
	}
}

// storeName is the URL of a store without what is secret in it.
func storeName(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		scheme, _, _ := strings.Cut(text, ":")
		return scheme
	}
	if u.Scheme == "sqlite" {
		return text
	}
	clean := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	if u.User != nil {
		clean.User = url.User(u.User.Username())
	}
	return clean.String()
}
