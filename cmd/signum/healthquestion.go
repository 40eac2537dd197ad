package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"

	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/config"
)

// maxHealth limits how much of an answer is read, in bytes.
const maxHealth = 64 << 10

// Where sandboxes and nodes answer.
const (
	healthPath = "/sandbox/health"
	readyPath  = "/readyz?verbose"
)

// question is whom to ask for their health, and how.
type question struct {
	address string // for people
	target  string
	trust   *tls.Config
	dial    func(ctx context.Context, network, address string) (net.Conn, error) // nil: as usual
	remedy  string                                                               // if nothing answers
}

// questionOfDir asks the sandbox whose directory it is.
func questionOfDir(dir string) (*question, error) {
	box, err := client.LoadSandbox(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("%s has no %s: the sandbox has not been ready yet, or this is not its directory", dir, client.SandboxFile)
	case err != nil:
		return nil, err
	}
	return &question{
		address: box.BaseURL, target: box.BaseURL + healthPath, trust: box.Config.TLS, dial: box.Config.DialContext,
		remedy: "start it with: signum sandbox --dir " + dir,
	}, nil
}

// questionOfURL asks what the person means. CA is a file; empty: the system's.
func questionOfURL(address, ca string) (*question, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return nil, &settledError{fmt.Errorf("--url %s: must be an address such as https://signum:8443", address)}
	}
	q := &question{address: address, target: address, trust: new(tls.Config), remedy: "is it started?"}
	if strings.Trim(u.Path, "/") == "" {
		q.target = strings.TrimRight(address, "/") + map[string]string{"https": healthPath, "http": readyPath}[u.Scheme]
	}
	if ca == "" {
		return q, nil
	}
	if q.trust.RootCAs, err = client.LoadRoots(ca); err != nil {
		return nil, fmt.Errorf("--server-ca: %w", err) // another container may be about to write it
	}
	return q, nil
}

// questionOfNode asks the node whose configuration it is.
func questionOfNode(file string) (*question, error) {
	listen, err := config.Listeners(file, os.Environ())
	if err != nil {
		return nil, config.Advise(err)
	}
	host, port, err := net.SplitHostPort(string(listen.Ops.Address))
	switch {
	case listen.Ops.Address == "":
		return nil, &settledError{fmt.Errorf("%s: listen.ops.address is empty, so the node does not tell its health", file)}
	case err != nil || port == "0":
		return nil, &settledError{fmt.Errorf("%s: listen.ops.address %q names no port; give the address with --url", file, listen.Ops.Address)}
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	q, err := questionOfURL("http://"+net.JoinHostPort(host, port), "")
	if err == nil {
		q.remedy = "start the node with: signum serve --config " + file
	}
	return q, err
}

// questionOfThisMachine asks the sandbox whose directory is not known. Its CA is not known
// either, but only this machine can answer on loopback, and nothing is sent that an impostor
// could use.
func questionOfThisMachine(port string) *question {
	address := "https://" + net.JoinHostPort("127.0.0.1", port)
	return &question{
		address: address, target: address + healthPath, trust: &tls.Config{InsecureSkipVerify: true},
		remedy: "start it with: signum sandbox; another one has --sandbox DIR or --url URL",
	}
}

func (q *question) ask(ctx context.Context) error {
	t := &http.Transport{TLSClientConfig: q.trust, DialContext: q.dial, Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	if q.dial != nil {
		t.Proxy = nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, q.target, nil)
	if err != nil {
		return &settledError{err}
	}
	resp, err := t.RoundTrip(req)
	if err != nil {
		return q.explain(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxHealth))
	if err != nil {
		return q.explain(err)
	}
	return q.judge(resp, body)
}

// judge reads the answer of a sandbox (JSON) or of a node (text).
func (q *question) judge(resp *http.Response, body []byte) error {
	switch resp.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusServiceUnavailable:
		return fmt.Errorf("%s: not ready: %s", q.address, printable(reasonIn(body)))
	case http.StatusBadRequest:
		if strings.Contains(string(body), "HTTPS server") {
			return &settledError{fmt.Errorf("%s: this address speaks https", q.address)}
		}
	}
	return &settledError{fmt.Errorf("%s: not the address of a sandbox or node of this version: HTTP %d at %s", q.address, resp.StatusCode, q.target)}
}

func reasonIn(body []byte) string {
	var box struct{ Status, Reason string }
	if json.Unmarshal(body, &box) == nil && box.Status != "" {
		if box.Reason == "" {
			return box.Status
		}
		return box.Status + ": " + box.Reason
	}
	var failed []string
	for line := range strings.Lines(string(body)) {
		if why, ok := strings.CutPrefix(line, "[-] "); ok {
			failed = append(failed, strings.TrimSpace(why))
		}
	}
	if len(failed) == 0 {
		return strings.TrimSpace(string(body))
	}
	return strings.Join(failed, "; ")
}

// explain says why there was no answer, and what to do.
func (q *question) explain(err error) error {
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		unknown   *net.DNSError
		noTLS     tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &host):
		err = &settledError{fmt.Errorf("its certificate is for other names (%s): start the sandbox with --host %s", strings.Join(host.Certificate.DNSNames, ", "), host.Host)}
	case errors.As(err, &authority):
		err = errors.New("its certificate is not trusted: give the CA of the sandbox with --server-ca FILE, or its directory with --sandbox DIR")
		if q.dial == nil {
			err = &settledError{err} // a directory may be about to be replaced
		}
	case errors.As(err, &unknown) && q.dial != nil:
		err = fmt.Errorf("nothing listens on this port here, and this machine finds no address of the name %s; %s", unknown.Name, q.remedy)
	case errors.As(err, &unknown):
		err = fmt.Errorf("this machine finds no address of the name %s", unknown.Name)
	case errors.Is(err, syscall.ECONNREFUSED):
		err = fmt.Errorf("nothing listens there; %s", q.remedy)
	case errors.Is(err, context.DeadlineExceeded):
		err = fmt.Errorf("no answer within %s", healthTimeout)
	case errors.As(err, &noTLS), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		err = &settledError{errors.New("this address does not speak https")}
	}
	return fmt.Errorf("%s: %w", q.address, err)
}
