package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/signum-mssp/signum/internal/config"
)

// lookupTimeout is how long it may take to find the address of a name to listen on. A
// resolver without an answer would keep a start waiting for much longer.
const lookupTimeout = 3 * time.Second

// reach is where a sandbox listens, and by which names others reach it.
type reach struct {
	// listen is the host of the listeners: an IP address, never a name, so that all of
	// them have the same one.
	listen string
	// public is in all addresses that are printed or published; empty: the address of
	// the listener.
	public string
	// hosts are all names and addresses that were given, without wildcards. The pages
	// answer to them.
	hosts []string
	// web is the host of the pages' listener, if it is not that of the service.
	web string
	// certified are in the server's certificate, besides localhost and loopback.
	certified []string
}

// newReach resolves the host of Addr and checks Hosts.
func newReach(ctx context.Context, cfg Config, lookup lookup) (r reach, err error) {
	host, _, err := net.SplitHostPort(cfg.Addr)
	if err != nil {
		return r, &OptionError{"Addr", fmt.Errorf("%q is not host:port, such as 127.0.0.1:8443", cfg.Addr)}
	}
	for _, h := range cfg.Hosts {
		if err := checkHost(h); err != nil {
			return r, &OptionError{"Hosts", err}
		}
		if r.certified = append(r.certified, h); !strings.HasPrefix(h, "*.") {
			r.hosts = append(r.hosts, h)
		}
	}
	addrs, err := resolve(ctx, host, lookup)
	if err != nil {
		return r, &OptionError{"Addr", err}
	}
	if len(addrs) > 0 {
		r.listen = addrs[0].String()
	}
	if len(addrs) == 0 || addrs[0].IsUnspecified() {
		r.certified = append(r.certified, ownNames()...)
	} else {
		if _, err := netip.ParseAddr(host); err != nil && !strings.EqualFold(host, localhost) {
			r.hosts = append(r.hosts, host)
			r.certified = append(r.certified, host)
		}
		for _, a := range addrs {
			r.certified = append(r.certified, a.String())
		}
	}
	if len(r.hosts) > 0 {
		r.public = r.hosts[0]
	}
	if host, _, err := net.SplitHostPort(cfg.WebAddr); err == nil { // an address, see withAddresses
		if r.web = cmp.Or(host, "::"); r.web == "0.0.0.0" || r.web == "::" {
			r.certified = append(r.certified, ownNames()...)
		} else {
			r.certified = append(r.certified, r.web)
		}
	}
	if u, err := url.Parse(cfg.WebURL); err == nil && u.Hostname() != "" {
		r.certified = append(r.certified, u.Hostname())
	}
	return r, nil
}

// lookup is net.Resolver.LookupNetIP.
type lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)

// withAddresses replaces the names in the addresses of the other listeners by the addresses that
// they have, so that no listener waits for a name server.
func (c Config) withAddresses(ctx context.Context, lookup lookup) (Config, error) {
	for _, l := range []struct {
		option string
		addr   *string
	}{{"WebAddr", &c.WebAddr}, {"PKIAddr", &c.PKIAddr}, {"OpsAddr", &c.OpsAddr}} {
		host, port, err := net.SplitHostPort(*l.addr)
		if err != nil {
			continue // none, or one that the configuration of the node refuses
		}
		addrs, err := resolve(ctx, host, lookup)
		if err != nil {
			return c, &OptionError{l.option, err}
		}
		if len(addrs) > 0 {
			*l.addr = net.JoinHostPort(addrs[0].String(), port)
		}
	}
	return c, nil
}

const localhost = "localhost"

// resolve returns the addresses of a host to listen on, that of net.Listen first; none
// for an empty host, which stands for all of the machine.
func resolve(ctx context.Context, host string, lookup lookup) ([]netip.Addr, error) {
	if host == "" {
		return nil, nil
	}
	if a, err := netip.ParseAddr(host); err == nil {
		if a.Zone() != "" {
			return nil, fmt.Errorf("%s: an address with a zone cannot be in a certificate; listen on [::] instead", host)
		}
		return []netip.Addr{a.Unmap()}, nil
	}
	if strings.EqualFold(host, localhost) { // by definition (RFC 6761), also on a machine that does not know it
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}, nil
	}
	ctx, stop := context.WithTimeout(ctx, lookupTimeout)
	defer stop()
	addrs, err := lookup(ctx, "ip", host)
	for i := range addrs {
		addrs[i] = addrs[i].Unmap().WithZone("")
	}
	slices.SortStableFunc(addrs, func(a, b netip.Addr) int { return cmp.Compare(a.BitLen(), b.BitLen()) })
	if err == nil && len(addrs) > 0 {
		return addrs, nil
	}
	return nil, fmt.Errorf("this machine finds no address of the name %s; to be reached by a name that only others know, listen on 0.0.0.0 and give --host %s", host, host)
}

// checkHost refuses what cannot be in a certificate and in an address.
func checkHost(h string) error {
	name := h
	if rest, ok := strings.CutPrefix(h, "*."); ok {
		name = rest
		if _, err := netip.ParseAddr(name); err == nil {
			return fmt.Errorf("%s: a wildcard stands for names, not for addresses", h)
		}
	}
	if name == "" {
		return errors.New("a host name is missing")
	}
	return new(config.Host).UnmarshalText([]byte(name))
}

// ownNames are the names and addresses by which others may know this machine. They are
// only in the certificate.
func ownNames() (names []string) {
	if h, err := os.Hostname(); err == nil && checkHost(h) == nil {
		names = append(names, h)
	}
	interfaces, _ := net.InterfaceAddrs() // without them, the certificate has fewer names
	for _, i := range interfaces {
		if p, err := netip.ParsePrefix(i.String()); err == nil && p.Addr().IsGlobalUnicast() {
			names = append(names, p.Addr().Unmap().String())
		}
	}
	return names
}

// Unnamed reports whether others can connect to the sandbox but have no name for it: what it
// publishes are addresses of this machine.
func (b *Sandbox) Unnamed() bool {
	ip, err := netip.ParseAddr(b.reach.listen)
	return b.reach.public == "" && (err != nil || ip.IsUnspecified())
}

// local reports whether the sandbox is only for this machine, under the names that every
// machine has. The pages can do without TLS then: on loopback, browsers treat plain http as
// secure, while they reject our certificates.
func (r reach) local() bool {
	for _, h := range r.hosts {
		ip, err := netip.ParseAddr(h)
		if !strings.EqualFold(h, localhost) && (err != nil || !ip.IsLoopback()) {
			return false
		}
	}
	for _, listen := range []string{r.listen, cmp.Or(r.web, r.listen)} {
		if ip, err := netip.ParseAddr(listen); err != nil || !ip.IsLoopback() {
			return false
		}
	}
	return true
}

// webHosts are all names at which the pages answer: also those of a port that a container
// publishes on the developer's machine.
func (r reach) webHosts() (hosts []config.Host) {
	for _, h := range slices.Concat(r.hosts, []string{localhost, "127.0.0.1", "::1"}) {
		hosts = append(hosts, config.Host(h))
	}
	return hosts
}
