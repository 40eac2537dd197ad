package web

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/event"
)

// ask sends a request that arrived at a local address to OwnHosts. reached tells
// whether the pages saw it.
func ask(origin, local, host string, header ...string) (w *httptest.ResponseRecorder, reached bool) {
	r := httptest.NewRequest(http.MethodGet, "/me?lang=de", nil)
	r.Host = host
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	if local != "" {
		addr := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(local))
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, addr))
	}
	w = httptest.NewRecorder()
	OwnHosts(origin, nil, event.New(nil, nil), http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true })).ServeHTTP(w, r)
	return w, reached
}

// TestOtherHosts: the pages have further names, and those alone.
func TestOtherHosts(t *testing.T) {
	const at = "192.0.2.7:8444" // in a container
	for host, own := range map[string]bool{
		"signum:8444": true, "localhost:9000": true, "LOCALHOST": true, "127.0.0.1:9000": true, "[::1]:9000": true, "phones.test": true,
		"localhost.evil.example": false, "signum.evil.example": false, "phones.test.": false, "*.phones.test": false,
		"a.phones.test": false, "127.0.0.2": false, "": false,
	} {
		r := httptest.NewRequest(http.MethodGet, "/me", nil)
		r.Host = host
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(at))))
		w := httptest.NewRecorder()
		reached := false
		OwnHosts("https://signum:8444", []string{"phones.test", "localhost", "127.0.0.1", "::1"}, event.New(nil, nil),
			http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true })).ServeHTTP(w, r)
		if reached != own {
			t.Errorf("Host %q: reached %v, status %d", host, reached, w.Code)
		}
	}
}

func TestOwnHosts(t *testing.T) {
	const public, local = "https://id.example.com", "http://localhost:8444"
	for _, tt := range []struct {
		origin, at, host string
		own              bool
	}{
		{public, "192.0.2.7:8444", "id.example.com", true},
		{public, "192.0.2.7:8444", "ID.example.com:443", true},
		{public, "192.0.2.7:8444", "id.example.com:8444", true},
		{public, "192.0.2.7:8444", "192.0.2.7:8444", true},
		{public, "192.0.2.7:8444", "192.0.2.7", true},
		{public, "192.0.2.7:8444", "192.0.2.8", false},
		{public, "192.0.2.7:8444", "evil.example", false},
		{public, "192.0.2.7:8444", "id.example.com.evil.example", false},
		{public, "192.0.2.7:8444", "evil.example#id.example.com", false},
		{public, "192.0.2.7:8444", "id.example.com.", false},
		{public, "192.0.2.7:8444", "localhost:8444", false},
		{public, "192.0.2.7:8444", "127.0.0.1", false},
		{public, "192.0.2.7:8444", "", false},
		{public, "", "192.0.2.7", false},
		{public, "127.0.0.1:8444", "localhost", true}, // a proxy on this machine, the Apps of a sandbox
		{local, "127.0.0.1:8444", "localhost:8444", true},
		{local, "127.0.0.1:8444", "127.0.0.1:8444", true},
		{local, "127.0.0.1:8444", "127.0.0.2:8444", false},
		{local, "[::1]:8444", "[::1]:8444", true},
		{local, "[::1]:8444", "[::1]", true},
		{local, "[::ffff:127.0.0.1]:8444", "127.0.0.1:8444", true},
		{local, "127.0.0.1:8444", "localhost.evil.example:8444", false},
		{local, "192.0.2.7:8444", "192.0.2.7:8444", true}, // a sandbox on all addresses
		{local, "[fe80::1%2]:8444", "[fe80::1]:8444", true},
		{"https://192.0.2.7:8444", "10.0.0.2:8444", "192.0.2.7:9000", true}, // in a container
	} {
		w, reached := ask(tt.origin, tt.at, tt.host)
		if reached != tt.own || !tt.own && w.Code != http.StatusMisdirectedRequest {
			t.Errorf("%s at %s, Host %q: reached %v, status %d", tt.origin, tt.at, tt.host, reached, w.Code)
		}
	}
}

// TestOneOrigin: only a person who opens a page at another loopback address is
// redirected, because what a browser stores belongs to one origin.
func TestOneOrigin(t *testing.T) {
	const local = "http://localhost:8444"
	for _, tt := range []struct {
		origin, at, host, mode string
		redirected             bool
	}{
		{local, "127.0.0.1:8444", "127.0.0.1:8444", "navigate", true},
		{local, "127.0.0.1:8444", "127.0.0.1:8444", "cors", false},
		{local, "127.0.0.1:8444", "127.0.0.1:8444", "", false},
		{local, "127.0.0.1:8444", "localhost:8444", "navigate", false},
		{local, "192.0.2.7:8444", "192.0.2.7:8444", "navigate", false},
		{"https://id.example.com", "127.0.0.1:8444", "127.0.0.1:8444", "navigate", false},
	} {
		w, reached := ask(tt.origin, tt.at, tt.host, "Sec-Fetch-Mode", tt.mode)
		if reached == tt.redirected || tt.redirected && w.Header().Get("Location") != local+"/me?lang=de" {
			t.Errorf("%+v: reached %v, to %q", tt, reached, w.Header().Get("Location"))
		}
	}
}

// FuzzOwnHosts: a request reaches the pages only under the name of the origin, the
// address of the connection, or localhost over loopback.
func FuzzOwnHosts(f *testing.F) {
	for _, h := range []string{"id.example.com", "[::1]:1", "127.0.0.1:x", "localhost:", "a:b:c", "[", "]", "[id.example.com]:443", "127.1", "0x7f.1", "::ffff:127.0.0.1"} {
		f.Add(h)
	}
	f.Fuzz(func(t *testing.T, host string) {
		_, reached := ask("https://id.example.com", "127.0.0.1:8444", host)
		if !reached {
			return
		}
		rest := strings.ToLower(host)
		for _, own := range []string{"id.example.com", "localhost", "127.0.0.1", "::ffff:127.0.0.1", "::ffff:7f00:1"} {
			if strings.Contains(rest, own) && len(host) <= len(own)+len("[]:")+5 {
				return
			}
		}
		if name := hostname(host); !loopback(name) {
			t.Errorf("Host %q reaches the pages", host)
		}
	})
}
