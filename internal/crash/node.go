//go:build linux

package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
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
	ports       map[string]string // of this machine, by use
	log         *os.File
	tls         *tls.Config

	service, smsc *process
	apps          *softapp.Apps
	ended         chan error // of the Apps
	stopApps      context.CancelFunc
	known         bool // the database has the party and the users
}

func newNode(ctx context.Context, binary, dir, store string, users int) (*node, error) {
	n := &node{binary: binary, dir: dir, store: store, users: apart(users), ports: make(map[string]string)}
	var err error
	if n.log, err = os.OpenFile(filepath.Join(dir, "service.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return nil, err
	}
	for _, use := range []string{"mss", "web", "ops", "pki", "smsc"} {
		if n.ports[use], err = pgtest.FreePort(); err != nil {
			return nil, err
		}
	}
	if err := n.startSMSC(ctx); err != nil {
		return nil, err
	}
	return n, n.configure()
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

func (n *node) path(name string) string   { return filepath.Join(n.dir, name) }
func (n *node) address(use string) string { return "127.0.0.1:" + n.ports[use] }
func (n *node) count(f func(kind) bool) int {
	return len(slices.DeleteFunc(slices.Clone(n.users), func(k kind) bool { return !f(k) }))
}

// startSMSC starts the network with its phones.
func (n *node) startSMSC(ctx context.Context) error {
	sims := n.count(func(k kind) bool { return k.methods[0] == signum.SIM })
	args := []string{"smsc", "--dir", n.path("phones"), "--addr", n.address("smsc"), "--first", msisdn(0), "--phone-delay", "100ms",
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

// configure writes the configuration of the service.
func (n *node) configure() error {
	smsc, err := os.ReadFile(n.path("phones/smsc.yaml"))
	if err != nil {
		return err
	}
	if n.tls, err = serverCertificate(n.dir); err != nil {
		return err
	}
	many := "{per_minute: 100000, burst: 10000}"
	text := fmt.Sprintf(`service: {mssp_uri: http://crash.example/}
listen:
  mss: {address: %[1]q, tls: {certificate_file: %[2]q, key_file: %[3]q}}
  web: {address: %[4]q}
  pki: {address: %[5]q}
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
`, n.address("mss"), n.path("server.pem"), n.path("server.key"), n.address("web"), n.address("pki"), n.address("ops"),
		n.path("admin.sock"), n.database(), n.path("ca"), many)
	master := "\n  master_key: 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	text += strings.Replace(string(smsc), "sim:", "sim:"+master, 1)
	return os.WriteFile(n.path("signum.yaml"), []byte(text), 0o600)
}

func (n *node) launch() (err error) {
	fmt.Fprintf(n.log, "--- %s start\n", time.Now().Format(time.RFC3339Nano))
	n.service, err = launch(n.log, n.binary, "serve", "--config", n.path("signum.yaml"))
	return err
}

// ready waits until /readyz says so. The first time it then adds the party and the users.
func (n *node) ready(ctx context.Context) error {
	for {
		if err := n.alive(); err != nil {
			return err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.address("ops")+"/readyz", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				break
			}
		}
		if !sleep(ctx, 20*time.Millisecond) {
			return fmt.Errorf("the service is not ready: %w; see %s", ctx.Err(), n.log.Name())
		}
	}
	if n.known {
		return nil
	}
	n.known = true
	return n.populate(ctx)
}

// populate adds the party, and the users with their cards and Apps, as an operator does.
func (n *node) populate(ctx context.Context) error {
	if _, err := n.signum(ctx, "party", "add", nodeParty, "--new-cert", n.path("party.pem"), "--prefix", nodePrefix,
		"--auto-activation", "--profile", "any", "--profile", "stk", "--profile", "device"); err != nil {
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
	n.apps, err = softapp.New(softapp.Config{Base: "http://localhost:" + n.ports["web"] + softapp.Path, FastKDF: true, Delay: 100 * time.Millisecond})
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
	cmd := exec.CommandContext(ctx, n.binary, append(args, "--config", n.path("signum.yaml"))...)
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("signum %s: %w: %s%s", strings.Join(args, " "), err, out, exit.Stderr)
	}
	return out, err
}

func (n *node) kill() {
	fmt.Fprintf(n.log, "--- %s kill\n", time.Now().Format(time.RFC3339Nano))
	n.service.kill()
}

func (n *node) stop() error {
	n.service.signal(syscall.SIGTERM)
	<-n.service.dead
	if code := n.service.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("the service ended with %d after SIGTERM; see %s", code, n.log.Name())
	}
	return nil
}

func (n *node) alive() error {
	for name, p := range map[string]*process{"service": n.service, "SMSC": n.smsc} {
		if !p.alive() {
			return fmt.Errorf("the %s ended by itself: %v; see %s", name, p.cmd.ProcessState, n.log.Name())
		}
	}
	return nil
}

func (n *node) close() {
	n.service.kill()
	n.smsc.kill()
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

func (n *node) configuration() (string, error) { return n.path("signum.yaml"), nil }

// cards returns where the cards are, unless the SMSC runs, which changes them.
func (n *node) cards() string {
	if n.smsc.alive() {
		return ""
	}
	return n.path("phones/cards")
}

func (n *node) config() client.Config {
	return client.Config{BaseURL: "https://" + n.address("mss"), APID: nodeParty}
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
	return []disturbance{
		{"SMSC killed", 2, func(ctx context.Context) error {
			n.smsc.kill()
			sleep(ctx, r.upTo(2*time.Second))
			return n.startSMSC(ctx)
		}},
		{"SMSC and service killed", 2, func(ctx context.Context) error {
			n.smsc.kill()
			n.kill()
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
}
