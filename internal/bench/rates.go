package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signum-mssp/signum"
)

// subject is a server whose signatures per second are measured.
type subject struct {
	name    string
	target  string
	dir     string   // of its sandbox
	profile string   // file
	phones  []string // arguments of the server: what the users have
	store   string
	load    []string // further arguments of the load

	server *child
	apps   *child // the Apps of the users; nil if the server has the phones
	ratios []float64
}

// The subjects, and the server that they are compared with.
const (
	bareName = "bare"
	inMemory = "in memory"
	simPath  = "SIM path"
	appPath  = "App path"
)

// subjects are a service with phones in memory, one with SIM cards on an emulated network,
// and one with connected Apps.
func subjects(tmp, profiles string, stores map[string]string, workers int) []*subject {
	n := strconv.Itoa(workers)
	all := []*subject{
		{name: inMemory, target: " (target: at least 0.6)", phones: []string{"-memory", "-users", n}},
		{name: simPath, phones: []string{"-users", n}},
		{name: appPath, phones: []string{"-users", "0", "-invites", n}, load: []string{"-profile", signum.ProfileDevice}},
	}
	for _, s := range all {
		file := strings.ReplaceAll(s.name, " ", "-")
		s.dir, s.profile, s.store = filepath.Join(tmp, file), filepath.Join(profiles, file+".pprof"), stores[s.name]
	}
	return all
}

// start starts the server and, if the users have Apps, a process that holds these.
func (s *subject) start(ctx context.Context) (err error) {
	args := append([]string{"server", "-dir", s.dir, "-cpuprofile", s.profile}, s.phones...)
	if s.store != "" {
		args = append(args, "-store", s.store)
	}
	if s.server, err = start(ctx, args...); err != nil || s.name != appPath {
		return err
	}
	if s.apps, err = start(ctx, "apps", "-dir", s.dir); err != nil {
		return err
	}
	var took time.Duration
	return s.apps.tell(&took, "connect")
}

func (s *subject) stop() error {
	if s.apps != nil {
		return errors.Join(s.apps.stop(), s.server.stop())
	}
	return s.server.stop()
}

// rates prints signatures per second of the subjects, and their ratios to the bare server.
func rates(ctx context.Context, all []*subject, rounds, workers int, length time.Duration) error {
	if len(all) == 0 {
		return errors.New("there is no rate of this name")
	}
	for _, s := range all {
		if err := s.start(ctx); err != nil {
			return err
		}
	}
	// One signature shows the size of an answer.
	var probe result
	args := append([]string{"load", "-dir", all[0].dir, "-url", all[0].server.addr, "-workers", "1", "-time", "100ms"}, all[0].load...)
	if err := load(ctx, &probe, args...); err != nil {
		return err
	}
	bare := &subject{name: bareName, dir: all[0].dir}
	var err error
	if bare.server, err = start(ctx, "bare", "-dir", bare.dir, "-size", strconv.Itoa(probe.Size)); err != nil {
		return err
	}
	fmt.Printf("\nsynchronous signatures over mutual TLS, HTTP/1.1 keep-alive, %d connections, answers of %d bytes\n", workers, probe.Size)
	fmt.Printf("%-10s %10s %9s %9s %14s %14s\n", "", "per s", "p50", "p99", "server CPU", "Apps' CPU")
	for range rounds {
		b, err := bare.round(ctx, workers, length)
		if err != nil {
			return err
		}
		for _, s := range all {
			r, err := s.round(ctx, workers, length)
			if err != nil {
				return err
			}
			s.ratios = append(s.ratios, r.rate()/b.rate())
			fmt.Printf("%-10s %10.2f\n", "ratio", r.rate()/b.rate())
		}
	}
	for _, s := range all {
		slices.Sort(s.ratios)
		fmt.Printf("%s: median ratio of %d rounds %.2f%s\n", s.name, rounds, s.ratios[len(s.ratios)/2], s.target)
	}
	for _, s := range all {
		err = errors.Join(err, s.profiled(ctx, workers, length))
	}
	for _, s := range append(all, bare) {
		err = errors.Join(err, s.stop())
	}
	return err
}

// profiled runs one more round with a profile, and prints where the CPU time of the server
// goes.
func (s *subject) profiled(ctx context.Context, workers int, length time.Duration) error {
	if err := s.server.profile(); err != nil {
		return err
	}
	if _, err := s.round(ctx, workers, length); err != nil {
		return err
	}
	if _, err := s.server.say(doneWord); err != nil {
		return err
	}
	return breakdown(s.profile)
}

// round puts one load on a server and prints the result.
func (s *subject) round(ctx context.Context, workers int, length time.Duration) (result, error) {
	var r result
	server, apps := s.server.used(), s.apps.used()
	args := append([]string{"load", "-dir", s.dir, "-url", s.server.addr, "-workers", strconv.Itoa(workers), "-time", length.String()}, s.load...)
	if err := load(ctx, &r, args...); err != nil {
		return r, err
	}
	n := int64(r.Requests + workers)
	server, apps = s.server.used()-server, s.apps.used()-apps
	fmt.Printf("%-10s %10.0f %9s %9s %8d µs/req", s.name, r.rate(), r.P50.Round(10*time.Microsecond), r.P99.Round(10*time.Microsecond),
		server.Microseconds()/n)
	if s.apps != nil {
		fmt.Printf(" %7d µs/req", apps.Microseconds()/n)
	}
	fmt.Println()
	return r, nil
}

// used returns the CPU time of a process so far, 0 if there is no process.
func (c *child) used() time.Duration {
	if c == nil {
		return 0
	}
	return cpu(c.cmd.Process.Pid)
}
