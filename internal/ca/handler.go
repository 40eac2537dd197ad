package ca

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Paths below the base URL, as certificates state them.
const (
	pathCRL     = "/crl/issuing.crl"
	pathRootCRL = "/crl/root.crl"
	pathOCSP    = "/ocsp"
	pathIssuing = "/ca/issuing.cer"
	pathRoot    = "/ca/root.cer"
)

// Limits of an OCSP request, in bytes: what one certificate with a long serial
// number, a nonce and a signature needs, and of its base64 in a URL.
const (
	maxOCSPRequest = 4096
	maxOCSPPath    = 1024
)

// caMaxAge is how long HTTP caches may keep a CA's certificate.
const caMaxAge = 24 * time.Hour

// Handler serves, below the base URL of the certificates and over plain HTTP:
//
//	GET  /crl/issuing.crl, /crl/root.crl  CRLs
//	GET  /ca/issuing.cer, /ca/root.cer    CA certificates (caIssuers)
//	POST /ocsp, GET /ocsp/{base64}        OCSP (RFC 6960, appendix A)
//
// It looks at the path itself and must not stand behind an http.ServeMux, which
// redirects the "//" that base64 may contain. If the base URL has a path, strip
// it first.
func (i *Issuer) Handler() http.Handler { return http.HandlerFunc(i.serve) }

func (i *Issuer) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	path := r.URL.Path
	if path == pathOCSP || strings.HasPrefix(path, pathOCSP+"/") {
		i.serveOCSP(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	switch path {
	case pathCRL:
		der, err := i.CRL(r.Context())
		i.serveCRL(w, r, der, err)
	case pathRootCRL:
		der, err := i.RootCRL()
		i.serveCRL(w, r, der, err)
	case pathIssuing:
		write(w, "application/pkix-cert", caMaxAge, i.issuing.Raw)
	case pathRoot:
		write(w, "application/pkix-cert", caMaxAge, i.root.Raw)
	default:
		http.NotFound(w, r)
	}
}

func (i *Issuer) serveCRL(w http.ResponseWriter, r *http.Request, der []byte, err error) {
	if err != nil {
		i.log.ErrorContext(r.Context(), "crl", "path", r.URL.Path, "err", err)
		http.Error(w, "no CRL now", http.StatusServiceUnavailable)
		return
	}
	write(w, "application/pkix-crl", crlRefresh, der)
}

func (i *Issuer) serveOCSP(w http.ResponseWriter, r *http.Request) {
	var request []byte
	var maxAge time.Duration
	switch r.Method {
	case http.MethodPost:
		var err error
		if request, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxOCSPRequest)); err != nil {
			http.Error(w, "request too large", http.StatusRequestEntityTooLarge)
			return
		}
	case http.MethodGet, http.MethodHead:
		request = ocspFromPath(r.URL)
		maxAge = ocspRefresh
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	der, ok := i.OCSP(r.Context(), request) // what is not a request at all is answered as malformed
	if !ok {
		maxAge = 0
	}
	write(w, "application/ocsp-response", maxAge, der)
}

// ocspFromPath is the request in a URL: the base64, URL-encoded, of its DER.
// Clients differ in what they encode; all that matters is gone after decoding.
// It is nil if there is none.
func ocspFromPath(u *url.URL) []byte {
	b64 := strings.TrimPrefix(strings.TrimPrefix(u.Path, pathOCSP), "/")
	if len(b64) > maxOCSPPath {
		return nil
	}
	der, err := base64.StdEncoding.DecodeString(b64)
	if err != nil {
		return nil
	}
	return der
}

// write answers with a body that caches may keep for maxAge; not at all if it
// is zero.
func write(w http.ResponseWriter, contentType string, maxAge time.Duration, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", fmt.Sprint(len(body)))
	if maxAge > 0 {
		h.Set("Cache-Control", fmt.Sprintf("public, no-transform, must-revalidate, max-age=%d", int(maxAge.Seconds())))
	} else {
		h.Set("Cache-Control", "no-store")
	}
	_, _ = w.Write(body) // a client that went away is no concern
}
