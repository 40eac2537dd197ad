package clientaddr

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, t := range texts {
		all = append(all, netip.MustParsePrefix(t))
	}
	return all
}

func TestResolve(t *testing.T) {
	proxies := prefixes("10.0.0.0/8", "2001:db8:ff::/48")
	for _, tt := range []struct {
		name      string
		remote    string
		forwarded []string
		want      string
	}{
		{"no proxy", "192.0.2.1:80", nil, "192.0.2.1"},
		{"a header from a stranger", "192.0.2.1:80", []string{"203.0.113.9"}, "192.0.2.1"},
		{"a proxy that says nothing", "10.0.0.1:80", nil, "10.0.0.1"},
		{"one proxy", "10.0.0.1:80", []string{"192.0.2.1"}, "192.0.2.1"},
		{"two proxies", "10.0.0.1:80", []string{"192.0.2.1, 10.0.0.2"}, "192.0.2.1"},
		{"the client's own claim", "10.0.0.1:80", []string{"203.0.113.9, 192.0.2.1"}, "192.0.2.1"},
		{"a claim to be a proxy", "10.0.0.1:80", []string{"203.0.113.9, 10.0.0.7, 192.0.2.1"}, "192.0.2.1"},
		{"header lines are one list", "10.0.0.1:80", []string{"203.0.113.9", "192.0.2.1,10.0.0.3", "10.0.0.2"}, "192.0.2.1"},
		{"only proxies", "10.0.0.1:80", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"garbage at the end", "10.0.0.1:80", []string{"192.0.2.1, unknown"}, "10.0.0.1"},
		{"garbage on the way", "10.0.0.1:80", []string{"192.0.2.1, unknown, 10.0.0.2"}, "10.0.0.2"},
		{"an empty element", "10.0.0.1:80", []string{"192.0.2.1, , 10.0.0.2"}, "10.0.0.2"},
		{"an empty line", "10.0.0.1:80", []string{"192.0.2.1", ""}, "10.0.0.1"},
		{"garbage before the client", "10.0.0.1:80", []string{"<script>, 192.0.2.1"}, "192.0.2.1"},
		{"a port", "10.0.0.1:80", []string{"192.0.2.1:4711"}, "192.0.2.1"},
		{"IPv6", "[2001:db8:ff::1]:80", []string{"2001:db8::5"}, "2001:db8::5"},
		{"brackets", "10.0.0.1:80", []string{"[2001:db8::5]"}, "2001:db8::5"},
		{"brackets and port", "10.0.0.1:80", []string{"[2001:db8::5]:4711"}, "2001:db8::5"},
		{"a bracket too few", "10.0.0.1:80", []string{"[2001:db8::5"}, "10.0.0.1"},
		{"IPv4 in brackets", "10.0.0.1:80", []string{"[192.0.2.1]"}, "10.0.0.1"},
		{"a zone", "10.0.0.1:80", []string{"fe80::1%eth0"}, "fe80::1"},
		{"the zone of a proxy", "[2001:db8:ff::1%eth0]:80", []string{"192.0.2.1"}, "192.0.2.1"},
		{"IPv4-mapped", "[::ffff:10.0.0.1]:80", []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		{"an invalid port", "10.0.0.1:80", []string{"192.0.2.1:99999"}, "10.0.0.1"},
		{"leading zeros", "10.0.0.1:80", []string{"192.0.2.010"}, "10.0.0.1"},
		{"spaces and tabs", "10.0.0.1:80", []string{" \t192.0.2.1 \t"}, "192.0.2.1"},
		{"too long an element", "10.0.0.1:80", []string{"192.0.2.1" + strings.Repeat(" ", 100)}, "10.0.0.1"},
		{"too many elements", "10.0.0.1:80", []string{"192.0.2.1" + strings.Repeat(",10.0.0.9", maxHops)}, "10.0.0.9"},
		{"as many as are read", "10.0.0.1:80", []string{"192.0.2.1" + strings.Repeat(",10.0.0.9", maxHops-1)}, "192.0.2.1"},
		{"no port", "192.0.2.1", nil, "192.0.2.1"},
		{"a pipe", "pipe", []string{"192.0.2.1"}, "invalid IP"},
		{"nothing", "", nil, "invalid IP"},
	} {
		if got := New(proxies).Resolve(tt.remote, tt.forwarded).String(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	if got := New(prefixes("::ffff:10.0.0.0/104")).Resolve("10.9.9.9:1", []string{"192.0.2.1"}); got.String() != "192.0.2.1" {
		t.Errorf("an IPv4-mapped prefix: %s", got)
	}
	if got := (*Resolver)(nil).Resolve("10.0.0.1:1", []string{"192.0.2.1"}); got.String() != "10.0.0.1" {
		t.Errorf("no resolver: %s", got)
	}
}

// With gives a request the address that Source gave.
func TestWith(t *testing.T) {
	for _, source := range []string{"192.0.2.1", "2001:db8::1", "", "nonsense"} {
		q := With(httptest.NewRequest("GET", "/", nil), source)
		want := source
		if source == "nonsense" {
			want = ""
		}
		if got := Source(q); got != want {
			t.Errorf("%q: %q", source, got)
		}
	}
}

func TestHandler(t *testing.T) {
	q := httptest.NewRequest("GET", "/", nil)
	q.RemoteAddr = "[2001:db8::1]:1"
	q.Header["X-Forwarded-For"] = []string{"2001:db8:1:2:3::4"}
	check := func(what, source, key string) http.Handler {
		return http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
			if s, k := Source(q), Key(q); s != source || k != key {
				t.Errorf("%s: %s, %s, want %s, %s", what, s, k, source, key)
			}
		})
	}
	check("no handler", "2001:db8::1", "2001:db8::/64").ServeHTTP(nil, q)
	New(nil).Handler(check("no proxy", "2001:db8::1", "2001:db8::/64")).ServeHTTP(nil, q)
	New(prefixes("2001:db8::1/128")).Handler(check("a proxy", "2001:db8:1:2:3::4", "2001:db8:1:2::/64")).ServeHTTP(nil, q)
	q.RemoteAddr, q.Header = "192.0.2.1:1", nil
	check("IPv4", "192.0.2.1", "192.0.2.1").ServeHTTP(nil, q)
	q.RemoteAddr = "@"
	check("unknown", "", "invalid IP").ServeHTTP(nil, q)
}

// FuzzResolve: whatever a client sends, a stranger's header changes nothing, and
// behind a proxy the address is one of the header's or the peer, never one to the
// left of the first that is not trusted.
func FuzzResolve(f *testing.F) {
	f.Add("192.0.2.1:1", "203.0.113.9, 10.0.0.2", "10.0.0.3")
	f.Add("10.0.0.1:1", "[2001:db8::1]:80,\t::ffff:10.0.0.9", "fe80::1%eth0")
	f.Add("[::ffff:10.0.0.1]:1", "unknown, , \"x\"", "")
	r := New(prefixes("10.0.0.0/8"))
	f.Fuzz(func(t *testing.T, remote, first, second string) {
		got := r.Resolve(remote, []string{first, second})
		peer, ok := parse(remote)
		if got.IsValid() != ok || got.Zone() != "" || got.Is4In6() {
			t.Fatalf("%v for %q", got, remote)
		}
		if !r.Trusts(peer) {
			if got != peer {
				t.Fatalf("%v, but the peer is %v", got, peer)
			}
			return
		}
		elements := strings.Split(first+","+second, ",")
		for _, e := range slices.Backward(elements) {
			a, ok := parse(strings.Trim(e, " \t"))
			if a == got {
				return
			}
			if !ok || !r.Trusts(a) {
				break
			}
		}
		if got != peer {
			t.Fatalf("%v comes from nowhere in %q", got, elements)
		}
	})
}
