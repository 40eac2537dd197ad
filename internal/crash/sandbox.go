//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/signum-mssp/signum/client"
)

// box is a sandbox as a process: the service, its phones and the network in one, so that
// all die together.
type box struct {
	binary string
	dir    string // of the sandbox
	store  string // URL; empty: SQLite in the directory
	users  int
	log    *os.File

	process *process
	known   bool // the directory has the users
	started atomic.Pointer[string]
	party   *client.Sandbox
}

func newBox(binary, dir, store string, users int) (*box, error) {
	log, err := os.OpenFile(filepath.Join(dir, "service.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return &box{binary: binary, dir: filepath.Join(dir, "box"), store: store, users: users, log: log}, nil
}

// launch starts the process.
func (b *box) launch() (err error) {
	args := []string{"sandbox", "--dir", b.dir, "--addr", "127.0.0.1:0", "--min-timeout", "1s", "--phone-delay", "100ms", "--log", "warn"}
	if b.store != "" {
		args = append(args, "--store", b.store)
	}
	if !b.known {
		file := filepath.Join(filepath.Dir(b.dir), "users.json")
		text, err := json.Marshal(people(b.crowd()))
		if err != nil {
			return err
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return err
		}
		args = append(args, "--scenario", file)
	}
	fmt.Fprintf(b.log, "--- %s start\n", time.Now().Format(time.RFC3339Nano))
	b.process, err = launch(b.log, b.binary, args...)
	return err
}

// ready waits until the process serves.
func (b *box) ready(ctx context.Context) error {
	url, err := b.process.said(ctx, "ready ")
	if err != nil {
		return fmt.Errorf("%w; see %s", err, b.log.Name())
	}
	address := strings.TrimPrefix(url, "https://")
	b.started.Store(&address)
	b.known = true
	if b.party == nil {
		b.party, err = client.LoadSandbox(b.dir)
	}
	return err
}

func (b *box) kill() {
	fmt.Fprintf(b.log, "--- %s kill\n", time.Now().Format(time.RFC3339Nano))
	b.process.kill()
}

// stop ends the process as an operator does.
func (b *box) stop() error {
	b.process.signal(syscall.SIGTERM)
	<-b.process.dead
	if code := b.process.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("the service ended with %d after SIGTERM; see %s", code, b.log.Name())
	}
	return nil
}

func (b *box) alive() error {
	if !b.process.alive() {
		return fmt.Errorf("the service ended by itself: %v; see %s", b.process.cmd.ProcessState, b.log.Name())
	}
	return nil
}

func (b *box) close() { b.process.kill() }

// disturbances: what happens to its phones happens to all of it.
func (b *box) disturbances(*run) []disturbance { return nil }

func (b *box) crowd() []kind { return mixed(b.users) }

// cards returns where the cards are. They die with the service.
func (b *box) cards() string { return filepath.Join(b.dir, "private", "cards") }

// database returns the URL of the database.
func (b *box) database() string {
	if b.store != "" {
		return b.store
	}
	return "sqlite:" + filepath.Join(b.dir, "private", "signum.db")
}

// configuration writes what an operator would have to write for this database.
func (b *box) configuration() (string, error) {
	private := func(name string) string { return filepath.Join(b.dir, "private", name) }
	key, err := os.ReadFile(private("sim-master.key"))
	if err != nil {
		return "", err
	}
	name := filepath.Join(filepath.Dir(b.dir), "signum.yaml")
	return name, os.WriteFile(name, fmt.Appendf(nil, `service: {mssp_uri: mid://signum/sandbox}
listen: {mss: {tls: {certificate_file: %q, key_file: %q}}}
store: {url: %q}
ca: {directory: %q, test: true}
sim: {master_key: %x}
`, private("server.crt"), private("server.key"), b.database(), private("ca"), key), 0o600)
}

// connections returns an HTTP client that reaches the service wherever it listens now.
func (b *box) connections(h2 bool) *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: b.party.Config.TLS.Clone(),
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			address := b.started.Load()
			if address == nil {
				return nil, errors.New("the service has not started")
			}
			return new(net.Dialer).DialContext(ctx, network, *address)
		},
		MaxIdleConnsPerHost: 256,
		ForceAttemptHTTP2:   h2,
	}}
}

// configs returns what a party needs to know, without its connections.
func (b *box) configs() []client.Config {
	c := b.party.Config
	c.TLS, c.DialContext = nil, nil
	return []client.Config{c}
}

// prefix starts every text of the party.
func (b *box) prefix() string { return b.party.DTBDPrefix }
