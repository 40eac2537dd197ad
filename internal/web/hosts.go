package web

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/signum-mssp/signum/internal/clientaddr"
	"github.com/signum-mssp/signum/internal/event"
)

const localhost = "localhost"

// OwnHosts answers only requests whose Host header names this service, and others
// with 421. Otherwise a site could let its own name resolve to this server and reach
// the pages from a browser as if they were its own (DNS rebinding). The service has
// these names:
//
//   - that of origin, the address of the pages that people know, and others that the
//     operator names
//   - the IP address at which the connection arrived; an address in place of a name
//     cannot be made to resolve to anything
//   - localhost, for connections over loopback
//
// The port does not matter: proxies and containers change it. Passkeys and what a
// browser stores belong to one origin, so a page that somebody opens at another
// loopback address is redirected to a localhost origin.
func OwnHosts(origin string, others []string, events *event.Recorder, next http.Handler) http.Handler {
	name := ""
	if u, err := url.Parse(origin); err == nil {
		name = u.Hostname()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked := hostname(r.Host)
		named := func(own string) bool { return strings.EqualFold(asked, own) }
		switch {
		case named(name):
		case !slices.ContainsFunc(others, named) && !ownAddress(r, asked):
			refuseHost(w, r, origin, events)
			return
		case name == localhost && loopback(asked) && navigates(r):
			http.Redirect(w, r, origin+r.URL.RequestURI(), http.StatusTemporaryRedirect)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// HTTPSOnly tells browsers to use the name of this service with https only, for a
// year after each answer (RFC 6797).
func HTTPSOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Strict-Transport-Security", "max-age=31536000")
		next.ServeHTTP(w, r)
	})
}

// RealName reports whether an origin is https with a DNS name that has a domain. Such
// a name belongs to one service; a developer's machine has localhost and addresses,
// where other programs serve other things.
func RealName(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "https" {
		return false
	}
	name := strings.ToLower(u.Hostname())
	_, notIP := netip.ParseAddr(name)
	return notIP != nil && strings.Contains(name, ".") && !strings.HasSuffix(name, "."+localhost)
}

func refuseHost(w http.ResponseWriter, r *http.Request, origin string, events *event.Recorder) {
	e := events.Begin("pages", "foreign host", clientaddr.Source(r))
	e.Status, e.Reason = http.StatusMisdirectedRequest, "host"
	events.Sample(e)
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Connection", "close") // the body is not read
	w.WriteHeader(e.Status)
	_, _ = fmt.Fprintf(w, "This is not an address of the service. Its pages are at %s.\n", origin)
	events.Emit(r.Context(), e)
}

// hostname is a Host header without its port and the brackets of IPv6.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		if name, ok := strings.CutSuffix(inner, "]"); ok {
			return name
		}
	}
	return host
}

// ownAddress reports whether a name stands for the address at which the connection
// arrived.
func ownAddress(r *http.Request, name string) bool {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok {
		return false
	}
	local := addr.AddrPort().Addr().Unmap().WithZone("")
	if strings.EqualFold(name, localhost) {
		return local.IsLoopback()
	}
	asked, err := netip.ParseAddr(name)
	return err == nil && asked.Unmap().WithZone("") == local
}

func loopback(name string) bool {
	a, err := netip.ParseAddr(name)
	return err == nil && a.Unmap().IsLoopback()
}

// navigates reports whether a person opens a page; browsers say so.
func navigates(r *http.Request) bool {
	return r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate"
}
