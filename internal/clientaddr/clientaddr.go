package clientaddr

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
)

const (
	maxHops    = 32 // elements of X-Forwarded-For that are read
	maxElement = 64 // characters; the longest IPv6 address with zone, brackets and port is shorter
)

// Resolver knows the trusted proxies. Nil trusts none.
type Resolver struct {
	trusted atomic.Pointer[[]netip.Prefix]
}

// New returns a resolver that believes the proxies in these networks.
func New(trusted []netip.Prefix) *Resolver {
	r := new(Resolver)
	r.Set(trusted)
	return r
}

// Set replaces the networks of the proxies.
func (r *Resolver) Set(trusted []netip.Prefix) {
	all := make([]netip.Prefix, 0, len(trusted))
	for _, p := range trusted {
		// ::ffff:10.0.0.0/104 is 10.0.0.0/8, in the form that addresses are compared in.
		if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		all = append(all, p.Masked())
	}
	r.trusted.Store(&all)
}

// Trusts reports whether an address is that of a trusted proxy.
func (r *Resolver) Trusts(a netip.Addr) bool {
	if r == nil {
		return false
	}
	return slices.ContainsFunc(*r.trusted.Load(), func(p netip.Prefix) bool { return p.Contains(a) })
}

// Resolve returns the address of the client behind a connection from remote
// (host:port), by the values of X-Forwarded-For in the order of their header
// lines. IPv4-mapped addresses become IPv4, zones are dropped. The zero Addr
// means that remote is not an IP address.
func (r *Resolver) Resolve(remote string, forwarded []string) netip.Addr {
	client, ok := parse(remote)
	if !ok {
		return netip.Addr{}
	}
	hops := 0
	for _, line := range slices.Backward(forwarded) {
		for more := true; more; hops++ {
			if !r.Trusts(client) || hops == maxHops {
				return client
			}
			var element string
			if line, element, more = cutLast(line); len(element) > maxElement {
				return client
			}
			before, ok := parse(strings.Trim(element, " \t"))
			if !ok {
				return client
			}
			client = before
		}
	}
	return client
}

// cutLast takes the last element off a list.
func cutLast(list string) (before, last string, more bool) {
	i := strings.LastIndexByte(list, ',')
	return list[:max(i, 0)], list[i+1:], i >= 0
}

// parse reads an address with or without brackets and port.
func parse(s string) (netip.Addr, bool) {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return plain(ap.Addr()), true
	}
	if inner, ok := strings.CutPrefix(s, "["); ok {
		if s, ok = strings.CutSuffix(inner, "]"); !ok || !strings.Contains(s, ":") {
			return netip.Addr{}, false
		}
	}
	a, err := netip.ParseAddr(s)
	return plain(a), err == nil
}

func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

type contextKey struct{}

// Handler is next with the client's address in the context of each request.
func (r *Resolver) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		a := r.Resolve(q.RemoteAddr, q.Header["X-Forwarded-For"])
		next.ServeHTTP(w, q.WithContext(context.WithValue(q.Context(), contextKey{}, a)))
	})
}

// With returns a request whose client has the address that Source gave at another node.
func With(q *http.Request, source string) *http.Request {
	a, _ := netip.ParseAddr(source)
	return q.WithContext(context.WithValue(q.Context(), contextKey{}, a))
}

// Of returns the client's address: what Handler found, or else the peer of the
// connection. The zero Addr means that it is not known.
func Of(q *http.Request) netip.Addr {
	if a, ok := q.Context().Value(contextKey{}).(netip.Addr); ok {
		return a
	}
	return (*Resolver)(nil).Resolve(q.RemoteAddr, nil)
}

// OfConn returns the address of the peer of a connection. The zero Addr means that it
// is not known.
func OfConn(c net.Conn) netip.Addr { return (*Resolver)(nil).Resolve(c.RemoteAddr().String(), nil) }

// Source returns the client's address as events and logs have it; empty if it is
// not known.
func Source(q *http.Request) string {
	if a := Of(q); a.IsValid() {
		return a.String()
	}
	return ""
}

// Key returns what stands for the client in a limit: the address, and of IPv6
// the /64 network, because one customer has at least that. All unknown
// addresses have one key.
func Key(q *http.Request) string { return network(q, 64) }

// SiteKey is Key for all networks of one site: of IPv6 the /48, because many customers
// have that much.
func SiteKey(q *http.Request) string { return network(q, 48) }

func network(q *http.Request, bits int) string {
	a := Of(q)
	if a.Is6() {
		if p, err := a.Prefix(bits); err == nil {
			return p.String()
		}
	}
	return a.String()
}
