package node

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/store"
)

// certificateNotice is how long before the end of a certificate there is a warning.
const certificateNotice = 30 * 24 * time.Hour

// Check looks for what would keep a node with a valid configuration from starting, or
// surprise its operator, as far as that can be seen without starting: it reads files, and
// opens neither an address nor the database.
func Check(c config.Config, now time.Time) (problems, warnings []*config.Problem) {
	k := checker{now: now}
	k.certificate("listen.mss.tls.certificate_file", c.Listen.MSS.TLS, string(c.Listen.MSS.URL))
	k.certificate("listen.web.tls.certificate_file", c.Listen.Web.TLS, string(c.Listen.Web.URL))
	for i, s := range c.SIM.SMSCs {
		k.certificate(fmt.Sprintf("sim.smscs.%d.tls.certificate_file", i), config.KeyPair{CertificateFile: s.TLS.CertificateFile, KeyFile: s.TLS.KeyFile}, "")
	}
	k.authority(c)
	k.store(c.Store)
	k.reach(c)
	k.others(c)
	return k.problems, k.warnings
}

type checker struct {
	now                time.Time
	problems, warnings []*config.Problem
}

func (k *checker) fault(path, format string, args ...any) {
	k.problems = append(k.problems, &config.Problem{Path: path, Text: fmt.Sprintf(format, args...)})
}

func (k *checker) warn(path, format string, args ...any) {
	k.warnings = append(k.warnings, &config.Problem{Path: path, Text: fmt.Sprintf(format, args...)})
}

// certificate checks the times of a certificate, and that it has the name by which clients
// look for it.
func (k *checker) certificate(path string, pair config.KeyPair, origin string) {
	if pair.IsZero() {
		return
	}
	loaded, err := tls.LoadX509KeyPair(pair.CertificateFile, pair.KeyFile)
	if err != nil {
		return // config.Validate says so
	}
	k.times(path, pair.CertificateFile, loaded.Leaf)
	if u, err := url.Parse(origin); err == nil && origin != "" {
		if err := loaded.Leaf.VerifyHostname(u.Hostname()); err != nil {
			k.warn(path, "%s is not for %s, where clients look for it: %v", pair.CertificateFile, origin, err)
		}
	}
}

func (k *checker) times(path, file string, c *x509.Certificate) {
	switch left := c.NotAfter.Sub(k.now); {
	case left <= 0:
		k.fault(path, "%s ended on %s; replace it", file, c.NotAfter.Format(time.DateOnly))
	case k.now.Before(c.NotBefore):
		k.fault(path, "%s is not valid before %s; is the clock of this machine right?", file, c.NotBefore.Format(time.DateTime))
	case left < certificateNotice:
		k.warn(path, "%s ends on %s, in %d days; replace it before", file, c.NotAfter.Format(time.DateOnly), int(left.Hours()/24))
	}
}

func (k *checker) authority(c config.Config) {
	const path = "ca.directory"
	a, err := ca.Load(c.CA.Directory)
	switch {
	case errors.Is(err, ca.ErrNoAuthority) && c.CA.Create:
		k.warn("ca.create", "the node will make a CA in %s when it starts; its root key will then be on this machine", c.CA.Directory)
	case errors.Is(err, ca.ErrNoAuthority):
		k.fault(path, "%s", noCA(c.CA.Directory))
	case err != nil:
		k.problems = append(k.problems, &config.Problem{Path: path, Text: err.Error(), Err: err})
	default:
		k.times(path, "the issuing CA", a.Issuing())
		if a.HasRootKey() && !c.CA.Test {
			k.warn(path, "the root key is on this machine; move %s to a safe place, a node works without it", ca.RootKeyFile(c.CA.Directory))
		}
	}
}

// noCA says what to do about a directory without a CA.
func noCA(dir string) string {
	return fmt.Sprintf("there is no CA in %s; make one with: signum ca create", dir)
}

func (k *checker) store(s config.Store) {
	text := s.URL.Reveal()
	if err := store.CheckURL(text); err != nil {
		k.fault("store.url", "%v", err)
		return
	}
	switch listen := s.ListenURL.Reveal(); {
	case listen != "" && !s.Shared():
		k.fault("store.listen_url", "is for several nodes on one PostgreSQL, and store.url is SQLite; leave it out")
	case listen != "":
		if err := store.CheckListenURL(listen); err != nil {
			k.fault("store.listen_url", "%v", err)
		}
	case store.Pooled(text):
		k.warn("store.url", "goes through a pooler, which passes no notices between nodes; with several nodes set store.listen_url to PostgreSQL itself")
	}
	name, ok := strings.CutPrefix(text, "sqlite:")
	if !ok {
		return
	}
	dir := filepath.Dir(name)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		k.fault("store.url", "the directory of the database, %s, does not exist; make it", dir)
	}
}

// reach warns of addresses that others cannot use, or that strangers can.
func (k *checker) reach(c config.Config) {
	if c.Listen.PKI.URL == "" && c.Listen.Host == "" {
		k.warn("listen.pki.url", "is not set, so that the certificates of users name %s, where nobody else may reach it", c.Listen.PKI.Address)
	}
	if a := string(c.Listen.Ops.Address); a != "" && !loopback(a) {
		k.warn("listen.ops.address", "%s shows metrics and health to everybody who reaches it, without TLS; use an address on loopback or of a network for operators", a)
	}
	if c.Listen.Web.URL == "" && c.Listen.Host == "" {
		k.warn("listen.web.url", "is not set, so that the pages answer on this machine only, and passkeys belong to the name localhost")
	}
}

// others warns of what surprises where other nodes use the database, or a balancer stands in front.
func (k *checker) others(c config.Config) {
	if c.Store.Shared() {
		if c.CA.Create {
			k.warn("ca.create", "lets each node make a CA of its own, and all but the first are refused; with several nodes make it once (signum ca create) and copy it")
		}
		if c.Drain.Announce == 0 {
			k.warn("drain.announce", "is 0s, so that a node that stops refuses connections before a balancer knows of it")
		}
	}
	mss := c.Listen.MSS
	if (c.Listen.Web.Connections.ProxyProtocol || c.Listen.PKI.Connections.ProxyProtocol) && !mss.Connections.ProxyProtocol && len(mss.ClientCert.From) == 0 {
		k.warn("listen.mss.connections.proxy_protocol", "is false, unlike that of other listeners: behind the same proxy, the networks of application providers, limits and the log go by the address of the proxy")
	}
	if a := string(c.Listen.Ops.Address); balanced(c) && (a == "" || loopback(a)) {
		k.warn("listen.ops.address", "is not one that a balancer on another machine can reach, so that it cannot ask /readyz")
	}
}

// balanced reports whether a balancer on another machine passes connections on.
func balanced(c config.Config) bool {
	l := c.Listen
	if !l.MSS.Connections.ProxyProtocol && !l.Web.Connections.ProxyProtocol && !l.PKI.Connections.ProxyProtocol {
		return false
	}
	return slices.ContainsFunc(c.TrustedProxies, func(p netip.Prefix) bool { return !p.Addr().IsLoopback() })
}

func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}
