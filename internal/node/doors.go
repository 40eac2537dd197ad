package node

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"slices"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/clientaddr"
	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/door"
	"github.com/signum-mssp/signum/internal/edge"
)

// doors are the servers of the listeners; ops and admin may be nil.
type doors struct{ mss, web, pki, ops, admin *door.Door }

// errStopping is the answer to waiting requests when the node stops. Their
// transactions continue when it starts again.
var errStopping = signum.Faultf(signum.InternalError, "The service is stopping")

// newDoors makes the servers of the listeners.
func (n *Node) newDoors(context.Context) error {
	room, err := capacity(n.cfg, openFiles())
	if err != nil {
		return err
	}
	l := n.cfg.Listen
	n.exempt = clientaddr.New(exemptOf(&n.cfg))
	proxy := map[bool]func(netip.Addr) bool{true: n.proxies.Trusts}
	config := func(name string, bound net.Listener, c config.Connections, h http.Handler) door.Config {
		for _, reason := range door.Reasons() {
			n.metrics.RefusedConnections(name, reason, 0)
		}
		return door.Config{
			Name: name, Listener: bound, Handler: h, Stopping: errStopping,
			ReadTimeout: n.cfg.Limits.ReadTimeout, WriteTimeout: n.cfg.Limits.WriteTimeout,
			Most: room[name], PerAddress: c.PerAddress, Exempt: n.exempt.Trusts, Proxy: proxy[c.ProxyProtocol],
			Log: n.deps.Logger, ErrorLog: n.httpLog,
			Failed:  func() { n.metrics.AcceptErrors(name, 1) },
			Refused: func(reason string) { n.metrics.RefusedConnections(name, reason, 1) },
		}
	}
	mss := config("mss", n.listeners.mss, l.MSS.Connections, n.mssHandler())
	mss.TLS = edge.TLSConfig(l.TLS(), n.certificates["mss"].Get)
	mss.Streams = l.MSS.Streams
	known := &edge.Known{Pins: n.Store.Pins, Clock: n.deps.Clock}
	mss.Known = func(cs tls.ConnectionState) bool {
		return known.Shown(cs) || n.tlsProxies != nil && n.tlsProxies.Shown(&cs)
	}
	web := config("web", n.listeners.web, l.Web.Connections, n.webHandler())
	web.TLS = n.webTLS
	web.Stopping = nil // people finish what they do
	n.doors.mss, n.doors.web = door.New(mss), door.New(web)
	n.doors.pki = door.New(config("pki", n.listeners.pki, l.PKI.Connections, n.proxies.Handler(n.pkiHandler())))
	if n.listeners.ops != nil {
		n.doors.ops = door.New(config("ops", n.listeners.ops, l.Ops.Connections, n.opsHandler()))
	}
	return nil
}

// exemptOf are the networks whose connections no limit per address counts.
func exemptOf(c *config.Config) []netip.Prefix {
	return slices.Concat(c.TrustedProxies, c.Listen.Exempt)
}

// pkiHandler serves what the CA publishes, and what was added by HandlePKI. A ServeMux in
// front of both would redirect the paths of OCSP requests, which may contain "//".
func (n *Node) pkiHandler() http.Handler {
	published := n.CA.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := n.pki.Handler(r); pattern != "" {
			n.pki.ServeHTTP(w, r)
			return
		}
		published.ServeHTTP(w, r)
	})
}

// connections returns a figure of each door, for metrics.
func (n *Node) connections(figure func(*door.Door) int) map[string]uint64 {
	all := make(map[string]uint64)
	for _, d := range []*door.Door{n.doors.mss, n.doors.web, n.doors.pki, n.doors.ops} {
		if d != nil {
			all[d.Name] = uint64(figure(d))
		}
	}
	return all
}
