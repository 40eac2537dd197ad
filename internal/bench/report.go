package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

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

// clockTick is the unit of CPU time in /proc: USER_HZ, 100 on Linux.
const clockTick = 10 * time.Millisecond

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
