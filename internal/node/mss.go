package node

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/signum-mssp/signum/internal/certfile"
	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/edge"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/rest"
	"github.com/signum-mssp/signum/internal/soap"
)

// newEdge puts the two wires on the listener of application providers.
func (n *Node) newEdge(context.Context) error {
	l := n.cfg.Limits
	base := string(n.cfg.Listen.MSS.URL)
	if n.cfg.Listen.Host != "" {
		base = n.MSSURL()
	}
	var service edge.Service = &n.engine
	if n.deps.WrapService != nil {
		service = n.deps.WrapService(service)
	}
	edge.Register(n.mss, edge.Options{
		Service: service, URL: base, Clock: n.deps.Clock, Logger: n.deps.Logger, Events: n.events,
		MaxBody: int64(l.MaxBody),
	}, rest.Wire{}, soap.Wire{PortalURL: n.page(portalPath)})
	return nil
}

// mssHandler does not read X-Forwarded-For. A proxy in front of it passes TLS through,
// because the certificate of the application provider is part of it, so it cannot add
// the header: one that arrives was made by the application provider. The exception are
// proxies that the operator has listed for the header Client-Cert.
func (n *Node) mssHandler() http.Handler {
	handler := edge.RefuseBrowsers(n.events, edge.TolerateSlashes(n.mss))
	if n.tlsProxies != nil {
		handler = n.tlsProxies.Handler(handler)
	}
	if n.deps.WrapMSS != nil {
		handler = n.deps.WrapMSS(handler)
	}
	return handler
}

// loadCertificates reads the TLS certificates of the listeners.
func (n *Node) loadCertificates(context.Context) (err error) {
	l := n.cfg.Listen
	if n.certificates, err = certificatesOf(l); err != nil {
		return err
	}
	if web := n.certificates["web"]; web != nil {
		n.webTLS = l.TLS()
		n.webTLS.GetCertificate = web.Get
	}
	return nil
}

// certificatesOf reads the TLS certificates by listener. The pages have none if they are
// served over plain http.
func certificatesOf(l config.Listen) (map[string]*certfile.Pair, error) {
	all := make(map[string]*certfile.Pair)
	for name, pair := range map[string]config.KeyPair{"mss": l.MSS.TLS, "web": l.Web.TLS} {
		if pair.IsZero() {
			continue
		}
		var err error
		if all[name], err = certfile.Open(name, pair.CertificateFile, pair.KeyFile); err != nil {
			return nil, fmt.Errorf("listen.%s.tls: %w", name, err)
		}
	}
	return all, nil
}

// watchCertificates takes over certificates whose files are replaced, until ctx ends.
func (n *Node) watchCertificates(ctx context.Context) error {
	certfile.Watch(ctx, n.deps.Logger, n.deps.Clock.Now, slices.Collect(maps.Values(n.certificates))...)
	return nil
}

// newTLSProxies reads who may name the certificate of a client.
func (n *Node) newTLSProxies(context.Context) error {
	c := n.cfg.Listen.MSS.ClientCert
	if !c.Enabled() {
		return nil
	}
	certs, err := c.Certificates()
	if err != nil {
		return fmt.Errorf("listen.mss.client_cert: %w", err)
	}
	n.tlsProxies = &edge.Proxies{From: c.From, Pins: make(map[mssp.Pin]bool), Clock: n.deps.Clock, Events: n.events}
	for _, cert := range certs {
		n.tlsProxies.Pins[mssp.PinOf(cert.Raw)] = true
	}
	return nil
}
