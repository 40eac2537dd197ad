package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/signum-mssp/signum/client"
)

// maxControlAnswer limits how much of a sandbox's answer is read, in bytes.
const maxControlAnswer = 1 << 20

const controlExitCodes = `Exit codes:
  0  done
  1  wrong usage, or a file cannot be read
  2  the service refused the command
  5  the service is not reachable`

// controlFlags name the running sandbox to control: by its directory, or by its address and
// the token.
type controlFlags struct {
	sandbox, url, token, serverCA string
	// choose returns the service if another flag names it; nil: it is a sandbox.
	choose func() (*target, error)
}

func (f *controlFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.sandbox, "sandbox", "", "directory of the sandbox; default $"+envSandbox)
	fl.StringVar(&f.url, "url", "", "address of a sandbox whose directory is elsewhere; default $SIGNUM_URL")
	fl.StringVar(&f.token, "token", "", "its token; default $SIGNUM_TOKEN, which keeps it out of process lists")
	fl.StringVar(&f.serverCA, "server-ca", "", "root certificates to trust the address by (PEM); default the system's")
	withEnvironment(cmd, "url", "token", "server-ca")
}

// The kinds of services, as errors call them.
const (
	sandboxKind = "sandbox"
	nodeKind    = "node"
)

// target is a service with what a call of it needs.
type target struct {
	kind  string // what errors call it
	base  string
	place string // of the calls: an absolute path; empty: those of a sandbox
	shown string // its address in errors; empty: that of the call
	token string // empty: the certificate of a party, or the right to open the socket, is enough
	http.Transport
}

// versioned are the first words of the calls of a sandbox that have a version.
var versioned = []string{"parties", "phones", "requests", "reset", "scenario", "script", "users", "worlds"}

// address returns that of a call.
func (t *target) address(call string) string {
	place := t.place
	if place == "" {
		place = "/sandbox/"
		if word, _, _ := strings.Cut(call, "/"); slices.Contains(versioned, word) {
			place += "v1/"
		}
	}
	return strings.TrimSuffix(t.base, "/") + place + call
}

// target finds out which service to call, and how.
func (f *controlFlags) target() (*target, error) {
	if f.choose != nil {
		if t, err := f.choose(); t != nil || err != nil {
			return t, err
		}
	}
	if f.sandbox == "" && f.url != "" {
		return f.remote()
	}
	dir := cmp.Or(f.sandbox, os.Getenv(envSandbox))
	if dir == "" {
		if f.choose != nil {
			return nil, errors.New("which service? give --config FILE of a node, --sandbox DIR of a sandbox, or --url and --token")
		}
		return nil, errors.New("which sandbox? give its directory with --sandbox DIR, or --url and --token")
	}
	if t := labTarget(dir); t != nil {
		return t, nil
	}
	sb, err := loadSandbox(dir)
	if err != nil {
		return nil, err
	}
	return &target{kind: sandboxKind, base: sb.BaseURL, Transport: http.Transport{TLSClientConfig: sb.Config.TLS, DialContext: sb.Config.DialContext}}, nil
}

func (f *controlFlags) remote() (*target, error) {
	switch {
	case !strings.HasPrefix(f.url, "https://"):
		return nil, fmt.Errorf("--url %s: must be the https address of a sandbox, such as https://signum:8443", f.url)
	case f.token == "":
		return nil, errors.New("--token missing: it is the token in sandbox.json, or that of signum sandbox --token")
	}
	t := &target{kind: sandboxKind, base: f.url, token: f.token, Transport: http.Transport{TLSClientConfig: new(tls.Config)}}
	if f.serverCA != "" {
		roots, err := client.LoadRoots(f.serverCA)
		if err != nil {
			return nil, fmt.Errorf("--server-ca: %w", err)
		}
		t.TLSClientConfig.RootCAs = roots
	}
	return t, nil
}

// controlCall is one call of a service.
type controlCall struct {
	method      string // empty: POST
	path        string // below the place of the calls, with a query
	place       string // of the call, if it is not that of the service
	contentType string
	body        io.Reader
	size        int64         // of the body; -1: unknown
	timeout     time.Duration // 0: only the context's
	limit       int64         // of the answer, in bytes
}

// post calls the service, in JSON; answer may be nil.
func (f *controlFlags) post(ctx context.Context, path string, body, answer any) error {
	return f.call(ctx, http.MethodPost, path, body, answer)
}

// call is post with any method; body may be nil, too.
func (f *controlFlags) call(ctx context.Context, method, path string, body, answer any) error {
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return err
		}
	}
	return f.send(ctx, controlCall{
		method: method, path: path, contentType: "application/json", body: bytes.NewReader(data), size: int64(len(data)),
		timeout: client.DefaultRequestTimeout, limit: maxControlAnswer,
	}, answer)
}

// send calls the service; answer may be nil, or a *[]byte for what is not JSON.
func (f *controlFlags) send(ctx context.Context, c controlCall, answer any) error {
	t, err := f.target()
	if err != nil {
		return err
	}
	address := t.address(c.path)
	if c.place != "" {
		address = strings.TrimSuffix(t.base, "/") + c.place + c.path
	}
	req, err := http.NewRequestWithContext(ctx, cmp.Or(c.method, http.MethodPost), address, c.body)
	if err != nil {
		return err
	}
	req.ContentLength = c.size
	req.Header.Set("Content-Type", c.contentType)
	if t.token != "" {
		req.Header.Set("Authorization", "Bearer "+t.token)
	}
	h := &http.Client{Transport: &t.Transport, Timeout: c.timeout}
	defer h.CloseIdleConnections()
	resp, err := h.Do(req)
	if err != nil {
		if told := t.unreachable(errors.Unwrap(err)); told != nil {
			return told
		}
		return explain(&client.TransportError{URL: address, Err: errors.Unwrap(err)})
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, c.limit))
	if err != nil {
		return explain(&client.TransportError{URL: address, Err: err})
	}
	return t.read(cmp.Or(t.shown, address), resp, data, answer)
}

// read distinguishes a refusal by the service from an answer that does not come from it.
func (t *target) read(address string, resp *http.Response, data []byte, answer any) error {
	if resp.StatusCode/100 == 2 {
		if raw, ok := answer.(*[]byte); ok {
			*raw = data
			return nil
		}
		if answer == nil || json.Unmarshal(data, answer) == nil {
			return nil
		}
	} else {
		var refusal struct {
			Error string `json:"error"`
		}
		if json.Unmarshal(data, &refusal) == nil && refusal.Error != "" {
			return &exitError{exitRefused, errors.New("refused by the " + t.kind + ": " + printable(refusal.Error))}
		}
	}
	return &exitError{exitUnreachable, fmt.Errorf("%s (HTTP %d) is not a %s of this version", address, resp.StatusCode, t.kind)}
}

// withPlus completes a number with country code. Others stay as they are, so that an error
// shows what was typed.
func withPlus(msisdn string) string {
	if msisdn != "" && msisdn[0] >= '1' && msisdn[0] <= '9' {
		return "+" + msisdn
	}
	return msisdn
}
