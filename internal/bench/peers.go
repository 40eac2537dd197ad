package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signum-mssp/signum"
)

// peer is a server that is compared with the sandbox. Those of others get one answer of
// the sandbox and give it to all requests.
type peer struct {
	name string
	dir  string // of the sandbox, for the certificates of clients
	url  string
	pid  int
	stop func() error
}

// runPeers compares the sandbox as users run it with mock servers.
func runPeers(ctx context.Context, args []string) (err error) {
	fs := flag.NewFlagSet("peers", flag.ExitOnError)
	npm := fs.String("npm", "", "directory of the programs prism and mockoon-cli")
	wiremock := fs.String("wiremock", "", "jar of WireMock")
	rounds := fs.Int("rounds", 3, "rounds, alternating between the servers")
	length := fs.Duration("time", 5*time.Second, "length of one load")
	workers := fs.String("workers", "1,64", "numbers of connections, each with one request at a time")
	fs.Parse(args)
	numbers, most, err := parseNumbers(*workers)
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "signum-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	var all []*peer
	defer func() {
		for _, p := range all {
			err = errors.Join(err, p.stop())
		}
	}()
	own, answer, err := ownPeer(ctx, filepath.Join(tmp, "box"), most)
	if err != nil {
		return err
	}
	all = append(all, own)
	if err := peerFiles(tmp, answer); err != nil {
		return err
	}
	for _, f := range foreign(*npm, *wiremock, tmp) {
		p, err := f.start(ctx, own.dir)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		all = append(all, p)
	}
	fmt.Printf("machine: %s, %d cores, %s\n", cpuModel(), runtime.NumCPU(), runtime.Version())
	for _, n := range numbers {
		if err := comparePeers(ctx, all, *rounds, n, *length); err != nil {
			return err
		}
	}
	return nil
}

func parseNumbers(list string) (all []int, most int, err error) {
	for s := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return nil, 0, fmt.Errorf("-workers %s: want numbers from 1 on, with commas", list)
		}
		all, most = append(all, n), max(most, n)
	}
	return all, most, nil
}

// ownPeer is the sandbox, with its cards on disk and users who approve at once. It returns
// an answer as well.
func ownPeer(ctx context.Context, dir string, users int) (*peer, []byte, error) {
	c, err := start(ctx, "server", "-dir", dir, "-users", strconv.Itoa(users))
	if err != nil {
		return nil, nil, err
	}
	p := &peer{name: "Signum", dir: dir, url: c.addr, pid: c.cmd.Process.Pid, stop: c.stop}
	client, apID, err := httpClient(dir, false)
	if err != nil {
		return nil, nil, errors.Join(err, c.stop())
	}
	answer, err := post(ctx, client, p.url, requestTo(apID, msisdn(0), "synch", signum.ProfileSTK))
	if err != nil {
		return nil, nil, errors.Join(err, c.stop())
	}
	return p, answer, nil
}

// foreignPeer is a program of others.
type foreignPeer struct {
	name string
	args func(port string) []string
}

// foreign are the mock servers, with all logs off that can be.
func foreign(npm, wiremock, dir string) []foreignPeer {
	return []foreignPeer{
		{"Prism", func(port string) []string {
			return []string{filepath.Join(npm, "prism"), "mock", "--host", "127.0.0.1", "--port", port, "--verboseLevel", "silent", filepath.Join(dir, prismFile)}
		}},
		{"Mockoon", func(port string) []string {
			return []string{filepath.Join(npm, "mockoon-cli"), "start", "--data", filepath.Join(dir, mockoonFile), "--port", port,
				"--disable-log-to-file", "--disable-admin-api", "--max-transaction-logs", "0"}
		}},
		{"WireMock", func(port string) []string {
			return []string{"java", "-jar", wiremock, "--bind-address", "127.0.0.1", "--port", port, "--root-dir", dir,
				"--no-request-journal", "--disable-request-logging", "--disable-banner", "--disable-gzip"}
		}},
	}
}

// start starts the program and waits until it answers.
func (f foreignPeer) start(ctx context.Context, box string) (*peer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	_, port, err := net.SplitHostPort(addr)
	if err := errors.Join(err, l.Close()); err != nil {
		return nil, err
	}
	args := f.args(port)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	p := &peer{name: f.name, dir: box, url: "http://" + addr + signPath, pid: cmd.Process.Pid, stop: func() error {
		err := cmd.Process.Kill()
		<-ended
		return err
	}}
	client, apID, err := httpClient(box, false)
	if err != nil {
		return nil, errors.Join(err, p.stop())
	}
	body := requestTo(apID, msisdn(0), "synch", signum.ProfileSTK)
	for deadline := time.Now().Add(time.Minute); ; {
		if _, err = post(ctx, client, p.url, body); err == nil {
			return p, nil
		}
		select {
		case e := <-ended:
			return nil, fmt.Errorf("it ended: %w\n%s", e, said.String())
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return nil, errors.Join(err, p.stop())
		}
	}
}

// comparePeers prints a table. A row has the median round of a server.
func comparePeers(ctx context.Context, all []*peer, rounds, workers int, length time.Duration) error {
	results := make(map[*peer][]result)
	used := make(map[*peer]time.Duration)
	requests := make(map[*peer]int)
	for range rounds {
		for _, p := range all {
			var r result
			before := cpu(p.pid)
			if err := load(ctx, &r, "load", "-dir", p.dir, "-url", p.url, "-workers", strconv.Itoa(workers), "-time", length.String()); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			used[p] += cpu(p.pid) - before
			requests[p] += r.Requests + workers
			results[p] = append(results[p], r)
		}
	}
	fmt.Printf("\n%d connection(s), %d rounds of %v\n", workers, rounds, length)
	fmt.Printf("%-10s %20s %10s %10s %14s %12s\n", "", "per s (worst, best)", "p50", "p99", "server CPU", "resident")
	for _, p := range all {
		rs := results[p]
		slices.SortFunc(rs, func(a, b result) int { return int(a.rate() - b.rate()) })
		mid := rs[len(rs)/2]
		fmt.Printf("%-10s %6.0f (%5.0f, %5.0f) %10s %10s %8d µs/req %8d MiB\n", p.name, mid.rate(), rs[0].rate(), rs[len(rs)-1].rate(),
			mid.P50.Round(10*time.Microsecond), mid.P99.Round(10*time.Microsecond),
			used[p].Microseconds()/int64(requests[p]), resident(p.pid)>>20)
	}
	return nil
}
