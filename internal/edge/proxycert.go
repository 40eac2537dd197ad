package edge

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/signum-mssp/signum/internal/clientaddr"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

// Headers of RFC 9440, by which a proxy that ends TLS passes on what the client showed.
const (
	clientCert      = "Client-Cert"
	clientCertChain = "Client-Cert-Chain"
)

// Proxies are those in front of the service that end TLS. Anybody who can send their header
// can be any party, so they must be known by two things: a certificate of theirs on
// the connection, and the network that they come from.
type Proxies struct {
	From   []netip.Prefix
	Pins   map[mssp.Pin]bool // of their certificates
	Clock  mssp.Clock
	Events *event.Recorder
}

// Shown reports whether a connection has the certificate of a proxy.
func (p *Proxies) Shown(cs *tls.ConnectionState) bool {
	if cs == nil || len(cs.PeerCertificates) == 0 {
		return false
	}
	return p.Pins[mssp.PinOf(cs.PeerCertificates[0].Raw)]
}

// Handler is next with the certificate and the address that a proxy names, in place of
// its own. A request of a proxy that names no certificate has none, so that a proxy is
// never a party. The headers of anybody else are refused: there is no honest reason to
// send them.
func (p *Proxies) Handler(next http.Handler) http.Handler {
	from := clientaddr.New(p.From)
	behind := from.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown := p.Shown(r.TLS)
		_, cert := r.Header[clientCert]
		_, chain := r.Header[clientCertChain]
		if !shown && !cert && !chain {
			next.ServeHTTP(w, r)
			return
		}
		proxy := shown && from.Trusts(clientaddr.Of(r)) && valid(r.TLS.PeerCertificates[0], p.Clock.Now())
		switch certs, err := forwarded(r.Header); {
		case !proxy && (cert || chain):
			p.refuse(w, r, "client_cert_stranger", "This service takes no Client-Cert from you.")
		case err != nil:
			p.refuse(w, r, "client_cert_malformed", "Client-Cert must be one certificate: DER in base64 between colons (RFC 9440).")
		case proxy:
			behind.ServeHTTP(w, instead(r, certs))
		default:
			next.ServeHTTP(w, instead(r, nil))
		}
	})
}

func valid(c *x509.Certificate, now time.Time) bool {
	return !now.Before(c.NotBefore) && !now.After(c.NotAfter)
}

// instead is the request as if these were the certificates of its connection, without
// the headers.
func instead(r *http.Request, certs []*x509.Certificate) *http.Request {
	cs := *r.TLS
	cs.PeerCertificates, cs.VerifiedChains = certs, nil
	q := *r
	q.TLS = &cs
	q.Header = r.Header.Clone()
	q.Header.Del(clientCert)
	q.Header.Del(clientCertChain)
	return &q
}

func (p *Proxies) refuse(w http.ResponseWriter, r *http.Request, reason, text string) {
	e := p.Events.Begin("mss", "certificate of a proxy", clientaddr.Source(r))
	e.Status, e.Reason = http.StatusBadRequest, reason
	p.Events.Sample(e)
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Connection", "close") // the body is not read
	w.WriteHeader(e.Status)
	_, _ = io.WriteString(w, text+"\n")
	p.Events.Emit(r.Context(), e)
}

var errCertHeader = errors.New("malformed header")

// forwarded returns the certificates that a proxy names: none, the client's, or the
// client's and its chain, which a party must not send.
func forwarded(h http.Header) ([]*x509.Certificate, error) {
	lines, chain := h[clientCert], h[clientCertChain]
	if len(lines) == 0 && len(chain) == 0 {
		return nil, nil
	}
	if len(lines) != 1 {
		return nil, errCertHeader
	}
	leaf, err := certOf(lines[0])
	if err != nil {
		return nil, err
	}
	certs := []*x509.Certificate{leaf}
	for _, line := range chain {
		for item := range strings.SplitSeq(line, ",") {
			c, err := certOf(strings.Trim(item, " \t"))
			if err != nil {
				return nil, err
			}
			certs = append(certs, c)
		}
	}
	return certs, nil
}

// certOf decodes a certificate as a byte sequence (RFC 8941, clause 3.3.5). It takes no
// parameters, and one form of base64 only, so that there is one header for each
// certificate.
func certOf(item string) (*x509.Certificate, error) {
	text, begins := strings.CutPrefix(item, ":")
	text, ends := strings.CutSuffix(text, ":")
	if !begins || !ends || strings.ContainsAny(text, "\r\n") {
		return nil, errCertHeader
	}
	der, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, errCertHeader
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, errCertHeader
	}
	return c, nil
}
