package ca

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/signum-mssp/signum/internal/clientaddr"
	"github.com/signum-mssp/signum/internal/event"
)

// Paths below the base URL, as certificates state them. CRLs and CA certificates
// have the key identifier of the CA in their path, so that those of a former CA
// stay where its certificates say.
const (
	prefixCRL         = "/crl/"
	suffixCRL         = ".crl"
	prefixCertificate = "/ca/"
	suffixCertificate = ".cer"
	pathOCSP          = "/ocsp"
)

// Names that stand for a key identifier in certificates of earlier versions.
const (
	nameIssuing = "issuing"
	nameRoot    = "root"
)

func crlPath(ca *x509.Certificate) string { return prefixCRL + keyID(ca) + suffixCRL }

func certificatePath(ca *x509.Certificate) string {
	return prefixCertificate + keyID(ca) + suffixCertificate
}

// Limits of an OCSP request, in bytes: enough for one certificate with a long
// serial number, a nonce and a signature, and for its base64 in a URL.
const (
	maxOCSPRequest = 4096
	maxOCSPPath    = 1024
)

// caMaxAge is how long HTTP caches may keep a CA's certificate.
const caMaxAge = 24 * time.Hour

// Handler serves, below the base URL of the certificates and over plain HTTP:
//
//	GET  /crl/{key identifier}.crl        CRL of a CA, current or former
//	GET  /ca/{key identifier}.cer         certificate of a CA (caIssuers)
//	POST /ocsp, GET /ocsp/{base64}        OCSP (RFC 6960, appendix A)
//
// It evaluates the path itself and must not be behind an http.ServeMux, which
// redirects the "//" that base64 may contain. If the base URL has a path, strip
// it first.
func (i *Issuer) Handler() http.Handler { return http.HandlerFunc(i.serve) }

// answer is an HTTP answer.
type answer struct {
	status      int
	contentType string
	maxAge      time.Duration // that caches may keep it; 0: not at all
	body        []byte
	allow       string // the methods, of a 405
	reason      string // for the event; one of a fixed set
	refused     bool   // the request was not one that the service answers
}

func plain(status int, reason string) answer {
	return answer{status: status, contentType: "text/plain; charset=utf-8", body: []byte(http.StatusText(status) + "\n"), reason: reason, refused: true}
}

func notAllowed(methods string) answer {
	a := plain(http.StatusMethodNotAllowed, "method")
	a.allow = methods
	return a
}

// serve answers a request and emits its event.
func (i *Issuer) serve(w http.ResponseWriter, r *http.Request) {
	e := i.events.Begin("pki", operation(r.URL.Path), clientaddr.Source(r))
	a, err := i.answer(w, r, e)
	if err != nil {
		a = failure(a, e.Op, i.events.Fail(r.Context(), e, err))
	}
	a.write(w)
	e.Status, e.Reason = a.status, a.reason
	if a.refused && err == nil {
		i.events.Sample(e)
	}
	i.events.Emit(r.Context(), e)
}

// failure is the answer to an internal error: what the operation answered itself,
// or after a panic internalError to OCSP and 500 to everything else.
func failure(a answer, op, incident string) answer {
	switch {
	case a.status != 0:
	case op == "ocsp":
		a = ocspHTTP(ocspError("internalError", ocsp.InternalErrorErrorResponse), 0)
	default:
		a = plain(http.StatusInternalServerError, "")
		a.body = []byte("internal error " + incident + "\n")
	}
	return a
}

// operation is what events call a path. It is one of a fixed set, because metrics
// have it as a label.
func operation(path string) string {
	switch {
	case path == pathOCSP, strings.HasPrefix(path, pathOCSP+"/"):
		return "ocsp"
	case strings.HasPrefix(path, prefixCRL):
		return "crl"
	case strings.HasPrefix(path, prefixCertificate):
		return "caissuers"
	}
	return "other"
}

func (i *Issuer) answer(w http.ResponseWriter, r *http.Request, e *event.Event) (a answer, err error) {
	defer event.RescueTo(&err, i.log, "pki")
	if e.Op == "ocsp" {
		return i.answerOCSP(w, r, e)
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return notAllowed("GET, HEAD"), nil
	}
	switch e.Op {
	case "crl":
		if p := i.publisherAt(r.URL.Path, prefixCRL, suffixCRL); p != nil {
			der, err := i.crl(r.Context(), p)
			if err != nil {
				return plain(http.StatusServiceUnavailable, "unavailable"), err
			}
			return answer{status: http.StatusOK, contentType: "application/pkix-crl", maxAge: crlRefresh, body: der}, nil
		}
	case "caissuers":
		if p := i.publisherAt(r.URL.Path, prefixCertificate, suffixCertificate); p != nil {
			return answer{status: http.StatusOK, contentType: "application/pkix-cert", maxAge: caMaxAge, body: p.ca.Raw}, nil
		}
	}
	return plain(http.StatusNotFound, "missing"), nil
}

// publisherAt finds the CA that a path names; nil if none.
func (i *Issuer) publisherAt(path, prefix, suffix string) *publisher {
	name, ok := strings.CutSuffix(strings.TrimPrefix(path, prefix), suffix)
	if !ok {
		return nil
	}
	switch issuing, root := i.earlier(); name {
	case nameIssuing:
		return i.publisher(keyID(issuing))
	case nameRoot:
		return i.publisher(keyID(root))
	}
	return i.publisher(name)
}

// earlier returns the CAs whose certificates state the names of earlier versions:
// those whose own certificate does, and the current ones if there are none.
func (i *Issuer) earlier() (issuing, root *x509.Certificate) {
	states := func(ca *x509.Certificate) bool {
		return len(ca.CRLDistributionPoints) > 0 && strings.HasSuffix(ca.CRLDistributionPoints[0], prefixCRL+nameRoot+suffixCRL)
	}
	for _, f := range i.former {
		if states(f.Issuing) && !states(i.issuing) {
			return f.Issuing, f.Root
		}
	}
	return i.issuing, i.root
}

func (i *Issuer) answerOCSP(w http.ResponseWriter, r *http.Request, e *event.Event) (answer, error) {
	var request []byte
	var maxAge time.Duration
	switch r.Method {
	case http.MethodPost:
		var err error
		if request, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxOCSPRequest)); err != nil {
			if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
				return plain(http.StatusRequestEntityTooLarge, "too large"), nil
			}
			return plain(http.StatusBadRequest, "unreadable"), nil
		}
	case http.MethodGet, http.MethodHead:
		request = ocspFromPath(r.URL)
		maxAge = ocspMaxAge
	default:
		return notAllowed("GET, HEAD, POST"), nil
	}
	a, err := i.ocsp(r.Context(), request) // anything that is not a request is answered with malformedRequest
	if a.signed {
		e.Detail = a.status
		e.Note = event.Clip("certificate " + a.serial)
	}
	return ocspHTTP(a, maxAge), err
}

func ocspHTTP(a ocspAnswer, maxAge time.Duration) answer {
	h := answer{status: http.StatusOK, contentType: "application/ocsp-response", maxAge: maxAge, body: a.der}
	if !a.signed {
		h.reason, h.refused, h.maxAge = a.status, true, 0
	}
	return h
}

// ocspFromPath returns the request in a URL: the URL-encoded base64 of its DER.
// Clients differ in what they escape; the URL is unescaped before. It is nil if
// there is no request.
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

func (a answer) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Type", a.contentType)
	h.Set("Content-Length", fmt.Sprint(len(a.body)))
	if a.allow != "" {
		h.Set("Allow", a.allow)
	}
	if a.maxAge > 0 {
		h.Set("Cache-Control", fmt.Sprintf("public, no-transform, must-revalidate, max-age=%d", int(a.maxAge.Seconds())))
	} else {
		h.Set("Cache-Control", "no-store")
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // an error means that the client has gone
}
