package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of CPU time in /proc: USER_HZ, 100 on Linux.
const clockTick = 10 * time.Millisecond

// rates prints signatures per second of three servers, and their ratios: the bare server, the
// service with phones in memory, and the service with SIM cards on an emulated network.
func rates(ctx context.Context, tmp string, stores map[string]string, profile string, rounds, workers int, length time.Duration) error {
	dirs := map[string]string{inMemory: filepath.Join(tmp, "memory"), simPath: filepath.Join(tmp, "sim")}
	dirs[bareName] = dirs[inMemory]
	if profile == "" {
		profile = filepath.Join(tmp, "sim.pprof")
	}
	servers := make(map[string]*child)
	for _, name := range []string{inMemory, simPath} {
		args := []string{"server", "-dir", dirs[name], "-users", strconv.Itoa(workers), "-memory=" + strconv.FormatBool(name == inMemory), "-cpuprofile", profile}
		if store := stores[name]; store != "" {
			args = append(args, "-store", store)
		}
		var err error
		if servers[name], err = start(ctx, args...); err != nil {
			return err
		}
	}
	// One signature shows the size of an answer.
	var probe result
	if err := load(ctx, &probe, "load", "-dir", dirs[inMemory], "-url", servers[inMemory].addr, "-workers", "1", "-time", "100ms"); err != nil {
		return err
	}
	var err error
	if servers[bareName], err = start(ctx, "bare", "-dir", dirs[bareName], "-size", strconv.Itoa(probe.Size)); err != nil {
		return err
	}
	fmt.Printf("\nsynchronous signatures over mutual TLS, HTTP/1.1 keep-alive, %d connections, answers of %d bytes\n", workers, probe.Size)
	fmt.Printf("%-10s %10s %9s %9s %14s\n", "", "per s", "p50", "p99", "server CPU")
	ratios := make(map[string][]float64)
	for range rounds {
		b, err := round(ctx, bareName, servers[bareName], dirs[bareName], workers, length)
		if err != nil {
			return err
		}
		for _, name := range []string{inMemory, simPath} {
			s, err := round(ctx, name, servers[name], dirs[name], workers, length)
			if err != nil {
				return err
			}
			ratios[name] = append(ratios[name], s.rate()/b.rate())
			fmt.Printf("%-10s %10.2f\n", "ratio", s.rate()/b.rate())
		}
	}
	for name, target := range map[string]string{inMemory: " (target: at least 0.6)", simPath: ""} {
		slices.Sort(ratios[name])
		fmt.Printf("%s: median ratio of %d rounds %.2f%s\n", name, rounds, ratios[name][len(ratios[name])/2], target)
	}
	err = profiled(ctx, servers[simPath], dirs[simPath], profile, workers, length)
	return errors.Join(err, servers[bareName].stop(), servers[inMemory].stop(), servers[simPath].stop())
}

// The servers of the rates.
const (
	bareName = "bare"
	inMemory = "in memory"
	simPath  = "SIM path"
)

// profiled runs one more round of the SIM path with a profile, and prints where the CPU time
// goes.
func profiled(ctx context.Context, c *child, dir, profile string, workers int, length time.Duration) error {
	if err := c.profile(); err != nil {
		return err
	}
	if _, err := round(ctx, "profiled", c, dir, workers, length); err != nil {
		return err
	}
	if _, err := c.say(doneWord); err != nil {
		return err
	}
	return breakdown(profile)
}

func round(ctx context.Context, name string, c *child, dir string, workers int, length time.Duration) (result, error) {
	var r result
	before := cpu(c.cmd.Process.Pid)
	err := load(ctx, &r, "load", "-dir", dir, "-url", c.addr, "-workers", strconv.Itoa(workers), "-time", length.String())
	if err != nil {
		return r, err
	}
	used := cpu(c.cmd.Process.Pid) - before
	fmt.Printf("%-10s %10.0f %9s %9s %8d µs/req\n", name, r.rate(), r.P50.Round(10*time.Microsecond), r.P99.Round(10*time.Microsecond),
		used.Microseconds()/int64(r.Requests+workers))
	return r, nil
}

// memory prints how much resident memory a waiting request takes.
func memory(ctx context.Context, tmp string, n int) error {
	fmt.Printf("\nresident memory of %d waiting synchronous requests, after a collection\n", n)
	fmt.Printf("%-8s %-9s %12s %12s %14s %14s %14s\n", "", "", "before", "waiting", "per request", "of it heap", "and stack")
	for _, proto := range []string{"HTTP/1.1", "HTTP/2"} {
		dir := filepath.Join(tmp, "wait-"+filepath.Base(proto))
		srv, err := start(ctx, "server", "-dir", dir, "-silent", "-memory", "-users", strconv.Itoa(n))
		if err != nil {
			return err
		}
		own, err := hold(ctx, "signum", proto, srv, dir, n)
		if err != nil {
			return err
		}
		bare, err := start(ctx, "bare", "-dir", dir, "-silent")
		if err != nil {
			return err
		}
		base, err := hold(ctx, "bare", proto, bare, dir, n)
		if err != nil {
			return err
		}
		fmt.Printf("%-8s %-9s %.2f (target: at most 1.2)\n", "ratio", proto, own/base)
	}
	return nil
}

// hold measures one server and ends it.
func hold(ctx context.Context, name, proto string, c *child, dir string, n int) (float64, error) {
	before, err := c.settle()
	if err != nil {
		return 0, err
	}
	h, err := start(ctx, "hold", "-dir", dir, "-url", c.addr, "-n", strconv.Itoa(n), "-h2="+strconv.FormatBool(proto == "HTTP/2"))
	if err != nil {
		return 0, err
	}
	time.Sleep(2 * time.Second) // the last ones reach the store and the phones
	after, err := c.settle()
	if err != nil {
		return 0, err
	}
	kib := func(before, after int64) float64 { return float64(after-before) / float64(n) / 1024 }
	per := kib(before.resident, after.resident)
	fmt.Printf("%-8s %-9s %8d MiB %8d MiB %10.1f KiB %10.1f KiB %10.1f KiB\n", name, proto, before.resident>>20, after.resident>>20,
		per, kib(before.heap, after.heap), kib(before.stack, after.stack))
	return per, errors.Join(h.stop(), c.stop())
}

// cpu returns the time that a process has spent in user and kernel mode.
func cpu(pid int) time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * clockTick
}

// resident returns the resident memory of a process in bytes.
func resident(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	pages, _ := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64)
	return pages * int64(os.Getpagesize())
}
