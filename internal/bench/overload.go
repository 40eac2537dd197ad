package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/sim"
)

// The targets of the overload benchmark.
const (
	targetGoodput = 0.5
	targetPackets = 1.2
	targetLate    = 0.01
)

// burst is what became of many requests.
type burst struct {
	Done    int            // signatures
	Within  time.Duration  // until the last of them
	Faults  map[string]int // by what the party is told
	Longest time.Duration  // that a refusal because of overload took
}

func (b burst) rate() float64 { return float64(b.Done) / b.Within.Seconds() }

// runOverload measures what the service gets done when far more is asked of it than it can
// do: activations of SIM cards, with one processor and a slow disk.
func runOverload(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("overload", flag.ExitOnError)
	n := fs.Int("n", 2000, "activations at once")
	moderate := fs.Int("moderate", 400, "activations that show the capacity")
	workers := fs.Int("workers", 50, "of them at a time")
	timeout := fs.Int("timeout", 60, "TimeOut of the requests in seconds")
	commit := fs.Duration("commit", 50*time.Millisecond, "what a commit takes longer")
	dir := fs.String("dir", "", "parent of the temporary directory")
	fs.Parse(args)
	tmp, err := os.MkdirTemp(*dir, "signum-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	// The load runs on the other processors.
	if err := os.Setenv("GOMAXPROCS", "1"); err != nil {
		return err
	}
	box := filepath.Join(tmp, "overload")
	srv, err := start(ctx, "server", "-dir", box, "-light", "-blank", "-commit", commit.String(), "-users", strconv.Itoa(*n+*moderate))
	if err != nil {
		return err
	}
	if err := os.Unsetenv("GOMAXPROCS"); err != nil {
		return err
	}
	fmt.Printf("activations of SIM cards, one processor, %s more per commit, TimeOut %d s\n", *commit, *timeout)
	run := func(name string, first, n, workers int) (burst, error) {
		var b burst
		before, err := simStats(srv)
		if err != nil {
			return b, err
		}
		if err := load(ctx, &b, "burst", "-dir", box, "-url", srv.addr, "-first", strconv.Itoa(first), "-n", strconv.Itoa(n), "-workers", strconv.Itoa(workers),
			"-timeout", strconv.Itoa(*timeout)); err != nil {
			return b, err
		}
		after, err := simStats(srv)
		if err != nil {
			return b, err
		}
		b.print(name, before, after, resident(srv.cmd.Process.Pid))
		return b, nil
	}
	capacity, err := run(fmt.Sprintf("%d, %d at a time", *moderate, *workers), *n, *moderate, *workers)
	if err != nil {
		return err
	}
	overload, err := run(fmt.Sprintf("%d at once", *n), 0, *n, *n)
	if err != nil {
		return err
	}
	fmt.Printf("goodput under overload: %.2f of the capacity (target: at least %.1f)\n", overload.rate()/capacity.rate(), targetGoodput)
	return srv.stop()
}

func simStats(c *child) (s sim.Stats, err error) {
	line, err := c.say(statsWord)
	if err == nil {
		err = json.Unmarshal([]byte(line), &s)
	}
	return s, err
}

func (b *burst) print(name string, before, after sim.Stats, rss int64) {
	packets, again := after.Attempts-before.Attempts, after.Retries-before.Retries
	replies, late := after.Replies-before.Replies, after.Late-before.Late
	fmt.Printf("%s: %d signatures in %s, %.0f per s\n", name, b.Done, b.Within.Round(time.Millisecond), b.rate())
	fmt.Printf("    packets per step %.2f (target: below %.1f), late replies %.2f %% (target: below %.0f %%), resident %d MiB\n",
		float64(packets)/float64(max(packets-again, 1)), targetPackets, 100*float64(late)/float64(max(replies, 1)), 100*targetLate, rss>>20)
	for _, what := range slices.Sorted(maps.Keys(b.Faults)) {
		fmt.Printf("    %d times %s\n", b.Faults[what], what)
	}
	if b.Longest > 0 {
		fmt.Printf("    a refusal took %s at most\n", b.Longest.Round(time.Millisecond))
	}
}

// runBurst sends one request to each of many users, and tells what became of them.
func runBurst(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("burst", flag.ExitOnError)
	dir := fs.String("dir", "", "directory of the sandbox")
	url := fs.String("url", "", "where to post")
	first := fs.Int("first", 0, "number of the first user")
	n := fs.Int("n", 1, "users")
	workers := fs.Int("workers", 1, "requests at a time")
	timeout := fs.Int("timeout", 60, "TimeOut in seconds")
	fs.Parse(args)
	c, apID, err := httpClient(*dir, false)
	if err != nil {
		return err
	}
	b := burst{Faults: map[string]int{}}
	var mu sync.Mutex
	begin := time.Now()
	users := make(chan int)
	var all sync.WaitGroup
	for range *workers {
		all.Go(func() {
			for user := range users {
				asked := time.Now()
				_, err := post(ctx, c, *url, requestFor(apID, msisdn(user), "synch", signum.ProfileSTK, *timeout))
				mu.Lock()
				switch what := told(err); {
				case err == nil:
					b.Done++
					b.Within = time.Since(begin)
				case what == signum.DetailBusy:
					b.Longest = max(b.Longest, time.Since(asked))
					fallthrough
				default:
					b.Faults[what]++
				}
				mu.Unlock()
			}
		})
	}
	for i := range *n {
		users <- *first + i
	}
	close(users)
	all.Wait()
	if b.Done == 0 {
		err = errors.New("no signature at all")
	}
	return errors.Join(err, json.NewEncoder(os.Stdout).Encode(b))
}

// told returns what the party is told: the code and detail of a fault.
func told(err error) string {
	if err == nil {
		return ""
	}
	var fault struct {
		Fault struct {
			Code struct {
				SubCode struct{ Value string }
			}
			Detail string
		}
	}
	text := err.Error()
	if at := slices.Index([]byte(text), '{'); at >= 0 && json.Unmarshal([]byte(text[at:]), &fault) == nil {
		if isBusy(err) {
			return signum.DetailBusy
		}
		return fault.Fault.Code.SubCode.Value + " " + fault.Fault.Detail
	}
	return text
}
