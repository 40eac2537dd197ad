//go:build linux

package container

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/csv"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/testkit"
)

// users are those who sign while nodes stop.
const users = 60

// startSMSC runs the mobile network on a machine beside the services.
func (d *deployment) startSMSC() {
	d.t.Helper()
	d.smsc = serve(d.t, "smsc", d.machines["smsc"].command(d.t.Context(), program(d.t), "smsc", "--dir", d.phones, "--addr", addressSMSC+":2775",
		"--users", fmt.Sprint(users), "--phone-delay", "100ms"))
	d.smsc.awaitReady(d.t)
}

// sim returns the beginning of the section sim for that SMSC, and puts the files beside it.
func (d *deployment) sim() string {
	d.t.Helper()
	text, err := os.ReadFile(filepath.Join(d.phones, "smsc.yaml"))
	d.must(err)
	d.must(os.WriteFile(filepath.Join(d.dir, "etc", "master-key"), testkit.OpenSSL(d.t, nil, "rand", "-hex", "32"), 0o600))
	for _, name := range []string{"transport.key", "cards.csv"} {
		content, err := os.ReadFile(filepath.Join(d.phones, name))
		d.must(err)
		d.must(os.WriteFile(filepath.Join(d.dir, "etc", name), content, 0o600))
	}
	section, _, _ := strings.Cut(string(text), "  retry:\n") // which the example has
	return section + "  master_key_file: /etc/signum/master-key\n"
}

// startBalancer runs HAProxy as its image does: as its user, without any rights.
func (d *deployment) startBalancer() {
	d.t.Helper()
	s := d.services["balancer"]
	file, target, _ := strings.Cut(s.Volumes[0], ":")
	if target != "/usr/local/etc/haproxy/haproxy.cfg:ro" {
		d.t.Fatalf("the balancer finds its configuration at %s", target)
	}
	cmd := d.machines["balancer"].command(d.t.Context(), "setpriv", "--reuid", "haproxy", "--regid", "haproxy", "--clear-groups", "--bounding-set=-all", "--no-new-privs",
		testkit.Program(d.t, "haproxy", "/usr/sbin/haproxy"), "-W", "-db", "-f", file)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	for name, value := range s.Environment {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	serve(d.t, "balancer", cmd)
}

// dial returns what connects the application provider to a port of the balancer, whatever the
// name in the address.
func (d *deployment) dial(port string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return d.machines["party"].dial(ctx, network, net.JoinHostPort(d.services["balancer"].Networks["service"].Address, port))
	}
}

// awaitBalanced waits until HAProxy gives connections to a node, or no more.
func (d *deployment) awaitBalanced(node, want string) {
	d.t.Helper()
	c := http.Client{Transport: &http.Transport{DialContext: d.dial("8404")}, Timeout: 10 * time.Second}
	defer c.CloseIdleConnections()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		status, err := balanced(&c, node)
		if err == nil && !slices.ContainsFunc(status, func(s string) bool { return !strings.HasPrefix(s, want) }) {
			return
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("%s is %q, not %s: %v", node, status, want, err)
		}
	}
}

// balanced returns the status of a node on each listener of HAProxy.
func balanced(c *http.Client, node string) (status []string, err error) {
	resp, err := c.Get("http://balancer/;csv")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	rows, err := csv.NewReader(resp.Body).ReadAll()
	if err != nil {
		return nil, err
	}
	column := slices.Index(rows[0], "status")
	for _, row := range rows[1:] {
		if row[1] == node {
			status = append(status, row[column])
		}
	}
	if len(status) != 3 {
		return nil, fmt.Errorf("%s is a server of %d listeners", node, len(status))
	}
	return status, nil
}

// roll stops one node after the other and starts it again, while a party signs through the
// balancer. No signature fails, and the nodes know where the party is.
func (d *deployment) roll(nodes ...*deployed) {
	d.t.Helper()
	one := nodes[0]
	one.succeeds("user", "import", "--kek-file", "/etc/signum/transport.key", "/etc/signum/cards.csv")
	one.succeeds("party", "add", "mid://party.example", "--new-cert", "/data/party.pem", "--profile", "any", "--lang", "en", "--auto-activation", "--limit", "per_number=600/100")
	for _, n := range nodes {
		d.awaitBalanced(n.name, "UP")
	}
	p := d.newParty()
	p.sign()
	p.signWithApp(d.connectApp(one))
	for _, n := range nodes {
		p.awaitMore(20)
		ended := make(chan struct{})
		go func() { defer close(ended); n.server.end(d.t, syscall.SIGTERM) }()
		d.awaitBalanced(n.name, "DOWN")
		<-ended
		if out := n.server.output.String(); !strings.Contains(out, "msg=stopped\n") || !strings.Contains(out, " still_waiting=0\n") {
			d.t.Errorf("told to stop, %s says\n%s", n.name, out)
		}
		p.awaitMore(20)
		d.checkSources(n.name, n.server.output.String())
		n.start()
		n.awaitHealthy()
		d.awaitBalanced(n.name, "UP")
	}
	p.end()
}

// checkSources: a node has seen the party at its own address and nobody at that of the balancer.
func (d *deployment) checkSources(node, log string) {
	d.t.Helper()
	if strings.Count(log, " entrance=rest op=MSS_Signature source="+addressParty+" ") < 2 {
		d.t.Errorf("%s has seen no requests from %s:\n%s", node, addressParty, log)
	}
	if address := d.services["balancer"].Networks["service"].Address; strings.Contains(log, "source="+address) {
		d.t.Errorf("%s takes the balancer for a client:\n%s", node, log)
	}
}

// checkPages: people and clients of the PKI reach the nodes, too. The certificate of the CA says
// where its CRL is.
func (d *deployment) checkPages() {
	d.t.Helper()
	text, err := os.ReadFile(filepath.Join(d.volumes, "ca", "ca", "issuing.pem"))
	d.must(err)
	block, _ := pem.Decode(text)
	issuing, err := x509.ParseCertificate(block.Bytes)
	d.must(err)
	for address, port := range map[string]string{"https://id.example.com:8444/": "8444", issuing.CRLDistributionPoints[0]: "8080"} {
		c := http.Client{Transport: &http.Transport{DialContext: d.dial(port), TLSClientConfig: &tls.Config{RootCAs: d.roots("etc/mss.pem")}}}
		resp, err := c.Get(address)
		if err != nil {
			d.t.Error(err)
			continue
		}
		if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusOK {
			d.t.Errorf("%s: %s, %v", address, resp.Status, err)
		}
		c.CloseIdleConnections()
	}
}

// checkUnready: while no node is ready, a party still gets answers.
func (d *deployment) checkUnready(nodes ...*deployed) {
	d.t.Helper()
	d.smsc.end(d.t, syscall.SIGTERM)
	for _, n := range nodes {
		d.awaitBalanced(n.name, "DOWN")
	}
	c, err := client.New(d.newParty().config)
	d.must(err)
	defer c.Close()
	if _, err := c.Profile(d.t.Context(), "+41795000001"); err != nil {
		d.t.Errorf("without an SMSC: %v", err)
	}
}

// roots reads certificates that a client trusts.
func (d *deployment) roots(file string) *x509.CertPool {
	d.t.Helper()
	text, err := os.ReadFile(filepath.Join(d.dir, file))
	d.must(err)
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		d.t.Fatalf("no certificates in %s", file)
	}
	return pool
}
