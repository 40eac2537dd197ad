//go:build linux

package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/signum-mssp/signum/internal/store/pgtest"
)

// member is one "signum serve" of those on a database.
type member struct {
	ports   map[string]string // of this machine, by use
	config  string            // file
	socket  string            // of the administration
	service *process          // nil: it was not started yet
}

func (m *member) address(use string) string { return "127.0.0.1:" + m.ports[use] }

// addMember adds a member with free ports.
func (n *node) addMember() (err error) {
	number := len(n.members)
	m := &member{ports: make(map[string]string), config: n.path(fmt.Sprintf("signum-%d.yaml", number)), socket: n.path(fmt.Sprintf("admin-%d.sock", number))}
	for _, use := range []string{"mss", "web", "ops", "pki"} {
		if m.ports[use], err = pgtest.FreePort(); err != nil {
			return err
		}
	}
	n.members = append(n.members, m)
	return nil
}

// wait gives requests the time that it takes until a node goes on for a dead one.
func (n *node) wait() {
	for i := range n.users {
		if k := &n.users[i]; k.timeout == patience {
			k.timeout = 3 * patience
		}
	}
}

func (n *node) webAddresses() (all []string) {
	for _, m := range n.members {
		all = append(all, m.address("web"))
	}
	return all
}

// webURL is where the Apps find the pages.
func (n *node) webURL() string {
	if n.balancer != nil {
		return "http://localhost:" + n.balancer.port()
	}
	return "http://localhost:" + n.members[0].ports["web"]
}

func (n *node) say(what string, m *member) {
	fmt.Fprintf(n.log, "--- %s %s %s\n", time.Now().Format(time.RFC3339Nano), what, m.config)
}

func (n *node) launchMember(m *member) (err error) {
	n.say("start", m)
	n.starting = m
	m.service, err = launch(n.log, cmp.Or(n.program, n.binary), "serve", "--config", m.config)
	return err
}

// memberReady waits until /readyz says so.
func (n *node) memberReady(ctx context.Context, m *member) error {
	for {
		if !m.service.alive() {
			return fmt.Errorf("the service ended by itself: %v; see %s", m.service.cmd.ProcessState, n.log.Name())
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+m.address("ops")+"/readyz", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		if !sleep(ctx, 20*time.Millisecond) {
			return fmt.Errorf("the service is not ready: %w; see %s", ctx.Err(), n.log.Name())
		}
	}
}

func (n *node) killMember(m *member) {
	n.say("kill", m)
	m.service.kill()
}

func (n *node) stopMember(m *member) error {
	n.say("stop", m)
	m.service.signal(syscall.SIGTERM)
	<-m.service.dead
	if code := m.service.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("the service ended with %d after SIGTERM; see %s", code, n.log.Name())
	}
	return nil
}

// memberDisturbances: a member is away for longer than it takes until others go on for it, or
// two are; it is frozen for so long, and goes on; it stops as an operator stops it.
func (n *node) memberDisturbances(r *run) []disturbance {
	any := func() int { return r.rand.IntN(len(n.members)) }
	return []disturbance{
		{"storms", 12, func(ctx context.Context) error { return n.storm(ctx, r) }},
		{"nodes dead for up to 20 s", 4, func(ctx context.Context) error {
			n.killMember(n.members[any()])
			r.kills++
			sleep(ctx, r.upTo(20*time.Second))
			return r.start(ctx)
		}},
		{"two nodes killed at once", 3, func(ctx context.Context) error {
			first := any()
			n.killMember(n.members[first])
			n.killMember(n.members[(first+1)%len(n.members)])
			r.kills += 2
			sleep(ctx, r.upTo(3*time.Second))
			return r.start(ctx)
		}},
		{"nodes frozen for 12 to 18 s", 2, func(ctx context.Context) error {
			m := n.members[any()]
			n.say("freeze", m)
			m.service.signal(syscall.SIGSTOP)
			sleep(ctx, 12*time.Second+r.upTo(6*time.Second))
			n.say("thaw", m)
			m.service.signal(syscall.SIGCONT)
			return n.memberReady(ctx, m)
		}},
		{"nodes stopped by SIGTERM", 2, func(ctx context.Context) error {
			if err := n.stopMember(n.members[any()]); err != nil {
				return err
			}
			return r.start(ctx)
		}},
	}
}

// storm kills one node after the other and starts each at once, whether the others, or that
// one, have started by then or not.
func (n *node) storm(ctx context.Context, r *run) error {
	for range 6 + r.rand.IntN(12) {
		m := n.members[r.rand.IntN(len(n.members))]
		n.killMember(m)
		r.kills++
		if err := n.launchMember(m); err != nil {
			return err
		}
		if !sleep(ctx, r.upTo(1200*time.Millisecond)) {
			return ctx.Err()
		}
	}
	return r.start(ctx)
}

// balancer passes connections on to any of several addresses that takes them.
type balancer struct {
	listener net.Listener
	to       []string
	mu       sync.Mutex
	rand     *rand.Rand
	open     map[net.Conn]struct{}
	done     sync.WaitGroup
}

func newBalancer(to []string, seed uint64) (*balancer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &balancer{listener: l, to: to, rand: rand.New(rand.NewPCG(seed, 1<<35)), open: make(map[net.Conn]struct{})}
	b.done.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b.done.Go(func() { b.pass(c) })
		}
	})
	return b, nil
}

func (b *balancer) port() string {
	_, port, _ := net.SplitHostPort(b.listener.Addr().String())
	return port
}

// pass passes one connection on, until either end closes.
func (b *balancer) pass(c net.Conn) {
	defer c.Close()
	b.mu.Lock()
	order := b.rand.Perm(len(b.to))
	b.mu.Unlock()
	for _, i := range order {
		d, err := net.DialTimeout("tcp", b.to[i], time.Second)
		if err != nil {
			continue
		}
		defer d.Close()
		if !b.keep(c, d) {
			return
		}
		var copies sync.WaitGroup
		copies.Go(func() { _, _ = io.Copy(d, c); d.Close() })
		copies.Go(func() { _, _ = io.Copy(c, d); c.Close() })
		copies.Wait()
		b.forget(c, d)
		return
	}
}

func (b *balancer) keep(conns ...net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open == nil {
		return false
	}
	for _, c := range conns {
		b.open[c] = struct{}{}
	}
	return true
}

func (b *balancer) forget(conns ...net.Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range conns {
		delete(b.open, c)
	}
}

func (b *balancer) close() {
	if b == nil {
		return
	}
	b.listener.Close()
	b.mu.Lock()
	for c := range b.open {
		c.Close()
	}
	b.open = nil
	b.mu.Unlock()
	b.done.Wait()
}
