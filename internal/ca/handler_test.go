package ca

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// serve runs the handler at the URL that the authority's certificates state.
func serve(t *testing.T, p Profile) (*Issuer, *memStore, string) {
	t.Helper()
	var handler atomic.Pointer[http.Handler]
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*handler.Load()).ServeHTTP(w, r) }))
	t.Cleanup(srv.Close)
	a, err := Create(Config{Profile: p, URL: srv.URL, rsaBits: 2048}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	store := newStore()
	i, err := New(a, store, Options{URL: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	h := i.Handler()
	handler.Store(&h)
	return i, store, srv.URL
}

func fetch(t *testing.T, method, url string, body []byte) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	return resp, data
}

// The addresses in certificates lead to what they should.
func TestHandlerFiles(t *testing.T) {
	i, _, _ := serve(t, ECDSA)
	leaf := parse(t, issue(t, i).DER)
	for _, tc := range []struct {
		url, contentType string
		want             []byte // nil: a CRL
	}{
		{leaf.IssuingCertificateURL[0], "application/pkix-cert", i.issuing.Raw},
		{i.issuing.IssuingCertificateURL[0], "application/pkix-cert", i.root.Raw},
		{leaf.CRLDistributionPoints[0], "application/pkix-crl", nil},
		{i.issuing.CRLDistributionPoints[0], "application/pkix-crl", nil},
	} {
		resp, data := fetch(t, "GET", tc.url, nil)
		if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != tc.contentType || !strings.Contains(resp.Header.Get("Cache-Control"), "max-age=") {
			t.Errorf("%s: %v %v", tc.url, resp.Status, resp.Header)
		}
		if tc.want != nil && !bytes.Equal(data, tc.want) {
			t.Errorf("%s: another certificate", tc.url)
		}
		if tc.want == nil {
			issuer := i.issuing
			if strings.Contains(tc.url, keyID(i.root)) {
				issuer = i.root
			}
			parseCRL(t, data, issuer)
		}
		if resp, data := fetch(t, "HEAD", tc.url, nil); resp.StatusCode != 200 || len(data) != 0 {
			t.Errorf("HEAD %s: %v", tc.url, resp.Status)
		}
		if resp, _ := fetch(t, "POST", tc.url, nil); resp.StatusCode != 405 {
			t.Errorf("POST %s: %v", tc.url, resp.Status)
		}
	}
}

func TestHandlerRefuses(t *testing.T) {
	i, store, base := serve(t, ECDSA)
	store.failWith("revoked", errors.New("store is down"))
	store.failWith("certificate", errors.New("store is down"))
	req, err := ocsp.CreateRequest(parse(t, issue(t, i).DER), i.issuing, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		method, path string
		body         []byte
		status       int
		want         []byte // of the body; nil: any
	}{
		{"GET", "/", nil, 404, nil},
		{"GET", "/ocspx", nil, 404, nil},
		{"GET", "/ca/issuing.key", nil, 404, nil},
		{"GET", "/crl/" + keyID(i.issuing) + ".crl", nil, 503, nil},
		{"GET", "/crl/" + keyID(i.issuing) + ".cer", nil, 404, nil},
		{"GET", "/crl/00.crl", nil, 404, nil},
		{"GET", "/ca/.cer", nil, 404, nil},
		{"PUT", "/ocsp", nil, 405, nil},
		{"POST", "/ocsp", make([]byte, maxOCSPRequest+1), 413, nil},
		{"POST", "/ocsp", nil, 200, ocsp.MalformedRequestErrorResponse},
		{"POST", "/ocsp", []byte("junk"), 200, ocsp.MalformedRequestErrorResponse},
		{"GET", "/ocsp", nil, 200, ocsp.MalformedRequestErrorResponse},
		{"GET", "/ocsp/", nil, 200, ocsp.MalformedRequestErrorResponse},
		{"GET", "/ocsp/%21", nil, 200, ocsp.MalformedRequestErrorResponse},
		{"GET", "/ocsp/" + strings.Repeat("A", 4*maxOCSPPath), nil, 200, ocsp.MalformedRequestErrorResponse},
		{"POST", "/ocsp", req, 200, ocsp.TryLaterErrorResponse},
	} {
		resp, data := fetch(t, tc.method, base+tc.path, tc.body)
		if resp.StatusCode != tc.status || tc.want != nil && !bytes.Equal(data, tc.want) {
			t.Errorf("%s %.20s: %v %x", tc.method, tc.path, resp.Status, data)
		}
		if tc.want != nil && resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s %.20s: an error may be cached", tc.method, tc.path)
		}
	}
}
