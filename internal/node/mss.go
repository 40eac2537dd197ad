package node

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"

	"github.com/signum-mssp/signum/internal/edge"
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
	edge.Register(n.mss, edge.Options{
		Service: &n.engine, URL: base, Clock: n.deps.Clock, Logger: n.deps.Logger, Events: n.events,
		MaxBody: int64(l.MaxBody),
	}, rest.Wire{}, soap.Wire{PortalURL: n.page(portalPath)})
	return nil
}

// mssHandler does not read X-Forwarded-For. A proxy in front of it must pass TLS
// through, because the certificate of the application provider is part of it, so
// it cannot add the header: one that arrives was made by the application provider.
func (n *Node) mssHandler() http.Handler {
	handler := edge.RefuseBrowsers(n.events, edge.TolerateSlashes(n.mss))
	if n.deps.WrapMSS != nil {
		handler = n.deps.WrapMSS(handler)
	}
	return handler
}

// loadCertificates reads the TLS certificates of the listeners.
func (n *Node) loadCertificates(context.Context) (err error) {
	l := n.cfg.Listen
	if n.mssCertificate, err = l.MSS.TLS.Load(); err != nil {
		return fmt.Errorf("listen.mss.tls: %w", err)
	}
	if l.Web.TLS.IsZero() {
		return nil
	}
	cert, err := l.Web.TLS.Load()
	if err != nil {
		return fmt.Errorf("listen.web.tls: %w", err)
	}
	n.webTLS = l.TLS()
	n.webTLS.Certificates = []tls.Certificate{cert}
	return nil
}
