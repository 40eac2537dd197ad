//go:build linux

package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/softapp"
	"github.com/signum-mssp/signum/internal/store/pgtest"
)

const (
	nodeParty  = "mid://crash.example"
	nodePrefix = "Crash: "
)

// node is "signum serve" and, as processes of their own, its phones: an SMSC with SIM
// cards ("signum smsc"), and Apps in this process. Each can die without the others.
type node struct {
	binary, dir string
	store       string // URL; empty: SQLite in the directory
	users       []kind
	log         *os.File
	tls         *tls.Config

	members  []*member // on one database
	smscPort string
	balancer *balancer // in front of the pages of several members, for the Apps
	smsc     *process
	off      []time.Time // when the phones were switched off
	apps     *softapp.Apps
	ended    chan error // of the Apps
	stopApps context.CancelFunc
	program  string // of members that start; empty: the binary
	starting *member
	known    bool // the database has the party and the users
	next     *rand.Rand
}

func newNode(ctx context.Context, binary, dir, store string, users []kind, nodes int, seed uint64) (*node, error) {
	n := &node{binary: binary, dir: dir, store: store, users: users, next: rand.New(rand.NewPCG(seed, 1<<34))}
	if nodes > 1 {
		n.wait()
	}
	var err error
	if n.log, err = os.OpenFile(filepath.Join(dir, "service.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return nil, err
	}
	if n.smscPort, err = pgtest.FreePort(); err != nil {
		return nil, err
	}
	if err := n.startSMSC(ctx); err != nil {
		return nil, err
	}
	if n.tls, err = serverCertificate(n.dir); err != nil {
		return nil, err
	}
	for range nodes {
		if err := n.addMember(); err != nil {
			return nil, err
		}
	}
	if nodes > 1 {
		if n.balancer, err = newBalancer(n.webAddresses(), seed); err != nil {
			return nil, err
		}
	}
	for _, m := range n.members {
		if err := n.configure(m); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// apart returns so many users with either a SIM or an App, those with a SIM first and
// among them those with an RSA key last, which is how "signum smsc" numbers them.
func apart(count int) []kind {
	var all []kind
	for _, k := range mixed(count) {
		if len(k.methods) == 2 {
			k = simEC
		}
		k.state = "" // all are new
		all = append(all, k)
	}
	rank := func(k kind) int {
		switch {
		case k.methods[0] == signum.App:
			return 2
		case k.keyType == signum.RSA:
			return 1
		}
		return 0
	}
	slices.SortStableFunc(all, func(a, b kind) int { return cmp.Compare(rank(a), rank(b)) })
	return all
}

func (n *node) path(name string) string { return filepath.Join(n.dir, name) }
func (n *node) count(f func(kind) bool) int {
	return len(slices.DeleteFunc(slices.Clone(n.users), func(k kind) bool { return !f(k) }))
}

// startSMSC starts the network with its phones.
func (n *node) startSMSC(ctx context.Context) error {
	sims := n.count(func(k kind) bool { return k.methods[0] == signum.SIM })
	args := []string{"smsc", "--dir", n.path("phones"), "--addr", "127.0.0.1:" + n.smscPort, "--first", msisdn(0), "--phone-delay", "100ms", "--events", n.path(eventsFile),
		"--users", fmt.Sprint(sims), "--rsa", fmt.Sprint(n.count(func(k kind) bool { return k.keyType == signum.RSA }))}
	for i, k := range n.users[:sims] {
		if k.behaviour != "" {
			args = append(args, "--phone", msisdn(i)+"="+k.behaviour)
		}
	}
	var err error
	if n.smsc, err = launch(n.log, n.binary, args...); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	_, err = n.smsc.said(ctx, "ready ")
	return err
}

// eventsFile has what the phones showed.
const eventsFile = "phones.jsonl"

// killPhones switches all phones with a SIM off, in the middle of whatever they do.
func (n *node) killPhones() {
	n.off = append(n.off, time.Now())
	n.smsc.kill()
	n.off = append(n.off, time.Now())
}

// configure writes the configuration of a member.
func (n *node) configure(m *member) error {
	smsc, err := os.ReadFile(n.path("phones/smsc.yaml"))
	if err != nil {
		return err
	}
	many := "{per_minute: 100000, burst: 10000}"
	text := fmt.Sprintf(`service: {mssp_uri: http://crash.example/}
listen:
  mss: {address: %[1]q, tls: {certificate_file: %[2]q, key_file: %[3]q}}
  web: {address: %[4]q, url: %[11]q}
  pki: {address: %[5]q, url: %[12]q}
  ops: {address: %[6]q}
  admin: {socket: %[7]q}
store: {url: %[8]q}
ca: {directory: %[9]q, create: true, test: true}
limits:
  party: {requests: %[10]s, status_queries: %[10]s, one_number: %[10]s}
  number: {requests: %[10]s, cancels: 10000}
app: {limits: {device: %[10]s, subscriber: %[10]s}}
engine: {min_timeout: 1s}
drain: {announce: 500ms, wait: 5s}
log: {level: warn}
`, m.address("mss"), n.path("server.pem"), n.path("server.key"), m.address("web"), m.address("pki"), m.address("ops"),
		m.socket, n.database(), n.path("ca"), many, n.webURL(), "http://"+n.members[0].address("pki"))
	master := "\n  master_key: 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	text += strings.Replace(string(smsc), "sim:", "sim:"+master, 1)
	return os.WriteFile(m.config, []byte(text), 0o600)
}

// launch starts the members that do not run. The first one makes the CA and the schema
// before the others start.
func (n *node) launch() error {
	for _, m := range n.members {
		if m.service != nil && m.service.alive() {
			continue
		}
		if err := n.launchMember(m); err != nil {
			return err
		}
		if !n.known && len(n.members) > 1 {
			ctx, cancel := context.WithTimeout(context.Background(), startTime)
			err := n.memberReady(ctx, m)
			cancel()
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// ready waits until /readyz of all members says so. The first time it then adds the party and
// the users.
func (n *node) ready(ctx context.Context) error {
	for _, m := range n.members {
		if err := n.memberReady(ctx, m); err != nil {
			return err
		}
	}
	n.starting = nil
	if n.known {
		return nil
	}
	n.known = true
	return n.populate(ctx)
}

// populate adds the party, and the users with their cards and Apps, as an operator does.
func (n *node) populate(ctx context.Context) error {
	if _, err := n.signum(ctx, "party", "add", nodeParty, "--new-cert", n.path("party.pem"), "--prefix", nodePrefix,
		"--auto-activation", "--profile", "any", "--profile", "stk", "--profile", "device", "--profile", "otp"); err != nil {
		return err
	}
	cert, err := tls.LoadX509KeyPair(n.path("party.pem"), n.path("party.pem"))
	if err != nil {
		return err
	}
	n.tls.Certificates = []tls.Certificate{cert}
	if _, err := n.signum(ctx, "user", "import", "--kek-file", n.path("phones/transport.key"), n.path("phones/cards.csv")); err != nil {
		return err
	}
	n.apps, err = softapp.New(softapp.Config{Base: n.webURL() + softapp.Path, FastKDF: true, Delay: 100 * time.Millisecond})
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i, k := range n.users {
		if k.methods[0] == signum.App {
			g.Go(func() error { return n.enrol(gctx, msisdn(i), k.behaviour) })
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	n.stopApps, n.ended = stop, make(chan error, 1)
	go func() { n.ended <- n.apps.Run(running) }()
	return nil
}

// enrol gives a user an App.
func (n *node) enrol(ctx context.Context, number, behaviour string) error {
	out, err := n.signum(ctx, "user", "invite", "--json", number)
	if err != nil {
		return err
	}
	var invitation struct{ Code string }
	if err := json.Unmarshal(out, &invitation); err != nil {
		return err
	}
	if _, err := n.apps.Enrol(ctx, invitation.Code, softapp.EnrolOptions{}); err != nil || behaviour == "" {
		return err
	}
	b, err := person.ParseBehaviour(behaviour)
	if err != nil {
		return err
	}
	return n.apps.Behave(number, b)
}

// signum runs a command of the program against the node.
func (n *node) signum(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, cmp.Or(n.program, n.binary), append(args, "--config", n.members[0].config)...)
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("signum %s: %w: %s%s", strings.Join(args, " "), err, out, exit.Stderr)
	}
	return out, err
}

// kill kills one of the members: that which starts, if one does.
func (n *node) kill() {
	m := n.starting
	if m == nil {
		m = n.members[n.next.IntN(len(n.members))]
	}
	n.killMember(m)
}

// stop stops all members.
func (n *node) stop() error {
	for _, m := range n.members {
		if err := n.stopMember(m); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) alive() error {
	running := map[string]*process{"SMSC": n.smsc}
	for i, m := range n.members {
		running[fmt.Sprintf("service %d", i)] = m.service
	}
	for name, p := range running {
		if !p.alive() {
			return fmt.Errorf("the %s ended by itself: %v; see %s", name, p.cmd.ProcessState, n.log.Name())
		}
	}
	return nil
}

func (n *node) close() {
	for _, m := range n.members {
		if m.service != nil {
			m.service.kill()
		}
	}
	n.smsc.kill()
	n.balancer.close()
	if n.stopApps != nil {
		n.stopApps()
		<-n.ended
		n.apps.Close()
		n.stopApps = nil
	}
}

func (n *node) database() string {
	return cmp.Or(n.store, "sqlite:"+n.path("signum.db"))
}

func (n *node) configuration() (string, error) { return n.members[0].config, nil }

// cards returns where the cards are, unless the SMSC runs, which changes them.
func (n *node) cards() string {
	if n.smsc.alive() {
		return ""
	}
	return n.path("phones/cards")
}

func (n *node) configs() (all []client.Config) {
	for _, m := range n.members {
		all = append(all, client.Config{BaseURL: "https://" + m.address("mss"), APID: nodeParty})
	}
	return all
}

func (n *node) prefix() string { return nodePrefix }
func (n *node) crowd() []kind  { return n.users }

func (n *node) connections(h2 bool) *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: n.tls.Clone(), DialContext: new(net.Dialer).DialContext, MaxIdleConnsPerHost: 256, ForceAttemptHTTP2: h2,
	}}
}

// disturbances: the phones can die without the service, with it, and hang.
func (n *node) disturbances(r *run) []disturbance {
	all := []disturbance{
		{"SMSC killed", 2, func(ctx context.Context) error {
			n.killPhones()
			sleep(ctx, r.upTo(2*time.Second))
			return n.startSMSC(ctx)
		}},
		{"SMSC and service killed", 2, func(ctx context.Context) error {
			n.killPhones()
			for _, m := range n.members {
				n.killMember(m)
			}
			if err := r.look(ctx); err != nil {
				return err
			}
			if err := n.startSMSC(ctx); err != nil {
				return err
			}
			return r.start(ctx)
		}},
		{"SMSC frozen", 1, func(ctx context.Context) error {
			n.smsc.signal(syscall.SIGSTOP)
			sleep(ctx, r.upTo(4*time.Second))
			n.smsc.signal(syscall.SIGCONT)
			return nil
		}},
	}
	if len(n.members) > 1 {
		all = append(all, n.memberDisturbances(r)...)
	}
	return all
}
