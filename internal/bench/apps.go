package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// maxApps is how many Apps one process can connect: 20,000 open files is a common limit,
// and the Apps make calls while they are connected.
const maxApps = 19_000

const (
	// heartbeats is long enough for a heartbeat of each App before memory is measured,
	// because what the service keeps for an active App is part of its connection.
	heartbeats = 30 * time.Second
	// pauses lets idle connections close and garbage be collected.
	pauses = 2 * time.Second

	targetPerApp  = 40.0 // KiB in the service for each connection
	targetOnGlass = 50 * time.Millisecond
)

// quantiles of times.
type quantiles struct{ P50, P90, P99, Max time.Duration }

func quantilesOf(times []time.Duration) quantiles {
	slices.Sort(times)
	at := func(percent int) time.Duration { return times[(len(times)-1)*percent/100] }
	return quantiles{at(50), at(90), at(99), at(100)}
}

// asked is how long requests to connected Apps took.
type asked struct {
	Requests, Size       int
	Echo, Answer, Screen quantiles
}

// tell sends a command to a child and decodes its answer, a line of JSON.
func (c *child) tell(result any, word string) error {
	if _, err := fmt.Fprintln(c.in, word); err != nil {
		return err
	}
	line, err := c.line()
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(line), result)
}

// connected prints the cost of n connected, idle Apps, and how long a request takes to
// the screen of one of them.
func connected(ctx context.Context, tmp, profiles string, n, perSecond int) error {
	fmt.Printf("\n%d connected Apps, WebSocket over plain http\n", n)
	dir := filepath.Join(tmp, "apps")
	began := time.Now()
	srv, err := start(ctx, "server", "-dir", dir, "-users", "0", "-invites", strconv.Itoa(n), "-cpuprofile", filepath.Join(profiles, "connected.pprof"))
	if err != nil {
		return err
	}
	if profiles != "" {
		if err := srv.profile(); err != nil {
			return err
		}
	}
	invited := time.Since(began)
	fmt.Printf("invited in %s\n", invited.Round(time.Second/10))
	began = time.Now()
	apps, err := start(ctx, "apps", "-dir", dir)
	if err != nil {
		return err
	}
	fmt.Printf("enrolled in %s\n", time.Since(began).Round(time.Second/10))
	if err := appMemory(srv, apps, n); err != nil {
		return err
	}
	echo, err := start(ctx, "echo")
	if err != nil {
		return err
	}
	var a asked
	if err := apps.tell(&a, fmt.Sprintf("ask %s %s %d", srv.addr, echo.addr, perSecond)); err != nil {
		return err
	}
	a.print(perSecond)
	return errors.Join(apps.stop(), echo.stop(), srv.stop())
}

// appMemory connects the Apps and prints CPU and memory.
func appMemory(srv, apps *child, n int) error {
	pid := srv.cmd.Process.Pid
	time.Sleep(pauses)
	before, err := srv.settle()
	if err != nil {
		return err
	}
	used := cpu(pid)
	var took time.Duration
	if err := apps.tell(&took, "connect"); err != nil {
		return err
	}
	fmt.Printf("connected in %s, %.0f per s, server CPU %d µs each\n", took.Round(time.Second/10), float64(n)/took.Seconds(),
		(cpu(pid)-used).Microseconds()/int64(n))
	used = cpu(pid)
	time.Sleep(heartbeats)
	fmt.Printf("idle but for heartbeats: server CPU %.1f %% of a core\n", 100*(cpu(pid)-used).Seconds()/heartbeats.Seconds())
	after, err := srv.settle()
	if err != nil {
		return err
	}
	kib := func(before, after int64) float64 { return float64(after-before) / float64(n) / 1024 }
	per := kib(before.resident, after.resident)
	fmt.Printf("%-8s %12s %12s %14s %14s %14s\n", "", "enrolled", "connected", "per App", "of it heap", "and stack")
	fmt.Printf("%-8s %8d MiB %8d MiB %10.1f KiB %10.1f KiB %10.1f KiB\n", "signum", before.resident>>20, after.resident>>20,
		per, kib(before.heap, after.heap), kib(before.stack, after.stack))
	fmt.Printf("%-8s %.2f of %.0f KiB (target: at most 1)\n", "ratio", per/targetPerApp, targetPerApp)
	return nil
}

func (a *asked) print(perSecond int) {
	fmt.Printf("%d asynchronous requests of %d bytes to Apps of their own, and as many echoes, %d per s of each\n", a.Requests, a.Size, perSecond)
	fmt.Printf("%-8s %10s %10s %10s %10s\n", "", "p50", "p90", "p99", "max")
	for _, row := range []struct {
		name string
		quantiles
	}{{"echo", a.Echo}, {"answer", a.Answer}, {"screen", a.Screen}} {
		fmt.Printf("%-8s", row.name)
		for _, t := range []time.Duration{row.P50, row.P90, row.P99, row.Max} {
			fmt.Printf(" %7.2f ms", t.Seconds()*1000)
		}
		fmt.Println()
	}
	ratio := func(a, b time.Duration) float64 { return a.Seconds() / b.Seconds() }
	fmt.Printf("%-8s %10.1f %10.1f %10.1f %10.1f of the echo\n", "ratio", ratio(a.Screen.P50, a.Echo.P50),
		ratio(a.Screen.P90, a.Echo.P90), ratio(a.Screen.P99, a.Echo.P99), ratio(a.Screen.Max, a.Echo.Max))
	fmt.Printf("%-8s %.2f of %s for the p99 (target: below 1)\n", "ratio", ratio(a.Screen.P99, targetOnGlass), targetOnGlass)
}
