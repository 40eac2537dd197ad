package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	roles := map[string]func(context.Context, []string) error{
		"server": runServer, "bare": runBare, "load": runLoad, "hold": runHold,
		"apps": runApps, "echo": runEcho, "peers": runPeers, "fairness": runFairness, "overload": runOverload, "burst": runBurst,
	}
	run, args := runBench, os.Args[1:]
	if len(args) > 0 {
		if role, ok := roles[args[0]]; ok {
			run, args = role, args[1:]
		}
	}
	if err := run(ctx, args); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// runBench starts the other roles and prints the results.
func runBench(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("bench", flag.ExitOnError)
	rounds := fs.Int("rounds", 3, "rounds of load, alternating between the servers; 0 skips the rates")
	only := fs.String("only", "", fmt.Sprintf("one rate only: %q, %q or %q", inMemory, simPath, appPath))
	length := fs.Duration("time", 5*time.Second, "length of one load")
	workers := fs.Int("workers", 128, "connections, each with one request at a time")
	waiting := fs.Int("waiting", 10000, "synchronous requests that wait at a time; 0 skips the memory measurement")
	apps := fs.Int("apps", 10_000, fmt.Sprintf("Apps that are connected at a time, at most %d; 0 skips them", maxApps))
	perSecond := fs.Int("asks", 100, "requests per second to the connected Apps")
	starting := fs.Int("starts", 5, "starts of the program, with a new and with an existing directory; 0 skips them")
	store := fs.String("store", "", "database of the service with phones in memory; default SQLite in a temporary directory")
	simStore := fs.String("sim-store", "", "another database, for the service with the SIM path; default SQLite in a temporary directory")
	appStore := fs.String("app-store", "", "another database, for the service with the App path; default SQLite in a temporary directory")
	profiles := fs.String("profiles", "", "directory for CPU profiles: one of each rate, and one of the service with connected Apps")
	dir := fs.String("dir", "", "parent of the temporary directory; its disk determines the cost of a commit")
	fs.Parse(args)
	if *apps > maxApps {
		return fmt.Errorf("-apps %d: at most %d", *apps, maxApps)
	}

	tmp, err := os.MkdirTemp(*dir, "signum-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	fmt.Printf("machine: %s, %d cores, %s\n", cpuModel(), runtime.NumCPU(), runtime.Version())
	if *starting > 0 {
		if err := starts(ctx, tmp, *starting); err != nil {
			return err
		}
	}
	if *rounds > 0 {
		stores := map[string]string{inMemory: *store, simPath: *simStore, appPath: *appStore}
		all := subjects(tmp, cmp.Or(*profiles, tmp), stores, *workers)
		if *only != "" {
			all = slices.DeleteFunc(all, func(s *subject) bool { return s.name != *only })
		}
		if err := rates(ctx, all, *rounds, *workers, *length); err != nil {
			return err
		}
	}
	if *waiting > 0 {
		if err := memory(ctx, tmp, *waiting); err != nil {
			return err
		}
	}
	if *apps > 0 {
		return connected(ctx, tmp, *profiles, *apps, *perSecond)
	}
	return nil
}

func cpuModel() string {
	b, _ := os.ReadFile("/proc/cpuinfo") // not every system has it
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return runtime.GOARCH
}

// child is a server in a process of its own. It prints its address on standard output,
// and obeys commands on standard input until that ends.
type child struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Scanner
	addr string
}

func start(ctx context.Context, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.CommandContext(ctx, self, args...)}
	c.cmd.Stderr = os.Stderr
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	c.out = bufio.NewScanner(out)
	c.addr, err = c.line()
	return c, err
}

func (c *child) line() (string, error) {
	if !c.out.Scan() {
		return "", errors.Join(fmt.Errorf("%s ended early", strings.Join(c.cmd.Args[1:], " ")), c.out.Err())
	}
	return c.out.Text(), nil
}

// usage is the memory of a process in bytes.
type usage struct{ resident, heap, stack int64 }

// say sends a command to the process and returns its answer.
func (c *child) say(word string) (string, error) {
	if _, err := fmt.Fprintln(c.in, word); err != nil {
		return "", err
	}
	return c.line()
}

// profile makes the process start a CPU profile.
func (c *child) profile() error {
	said, err := c.say(profileWord)
	if err == nil && said != profiling {
		err = errors.New(said)
	}
	return err
}

// settle makes the process collect its garbage and return memory to the system.
func (c *child) settle() (u usage, err error) {
	line, err := c.say(settleWord)
	if err != nil {
		return u, err
	}
	if _, err := fmt.Sscan(line, &u.heap, &u.stack); err != nil {
		return u, err
	}
	u.resident = resident(c.cmd.Process.Pid)
	return u, nil
}

func (c *child) stop() error {
	c.in.Close()
	return c.cmd.Wait()
}

// load runs a role that prints one line of JSON.
func load(ctx context.Context, result any, args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	return json.Unmarshal(out, result)
}
