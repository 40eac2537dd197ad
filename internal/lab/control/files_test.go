package control

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"context"

	"github.com/signum-mssp/signum/internal/mssp"
)

// directory has one file of each kind. Its content tells whether the caller had access.
type directory struct{}

func (directory) Files() []File {
	return []File{{Name: "sandbox.json"}, {Name: "server-ca.pem"}, {Name: "truststore.p12"}, {Name: "ap.crt"}, {Name: "ap.key", Access: true}, {Name: "broken.pem"}}
}

func (directory) ReadFile(name string, access bool) ([]byte, error) {
	if name == "broken.pem" {
		return nil, errors.New("/home/somebody/box: input/output error")
	}
	if access {
		return []byte("all of " + name), nil
	}
	return []byte("public " + name), nil
}

// TestFiles: anybody gets certificates, over plain http too. Private keys take access, and TLS.
func TestFiles(t *testing.T) {
	party := []byte("party")
	c := New(Config{BaseURL: "https://signum.test:8443", Token: token, World: World{Files: directory{}}, IsParty: func(_ context.Context, p mssp.Pin) (bool, error) { return p == mssp.PinOf(party), nil }})
	secure, plain := http.NewServeMux(), c.PublicFiles()
	for pattern, h := range c.fileRoutes() {
		secure.Handle(pattern, h)
	}
	const bearer = "Bearer " + token
	for _, tt := range []struct {
		on                                http.Handler
		method, path, authorization, cert string
		status                            int
		want, mediaType                   string
	}{
		{secure, "GET", "server-ca.pem", "", "", 200, "public server-ca.pem", "application/pem-certificate-chain"},
		{secure, "GET", "ap.crt", "", "stranger", 200, "public ap.crt", "application/pem-certificate-chain"},
		{secure, "GET", "truststore.p12", "", "", 200, "public", "application/x-pkcs12"},
		{secure, "GET", "sandbox.json", "", "", 200, "public", "application/json"},
		{secure, "GET", "sandbox.json", "", "stranger", 200, "public", "application/json"},
		{secure, "GET", "sandbox.json", bearer, "", 200, "all of", "application/json"},
		{secure, "GET", "sandbox.json", "", "party", 200, "all of", "application/json"},
		{secure, "GET", "sandbox.json", "Bearer wrong", "party", 401, "not the token", "application/json"},
		{secure, "HEAD", "server-ca.pem", "", "", 200, "", "application/pem-certificate-chain"},
		{secure, "GET", "ap.key", "", "", 401, "Authorization", "application/json"},
		{secure, "HEAD", "ap.key", "", "", 401, "", "application/json"},
		{secure, "GET", "ap.key", "Bearer wrong", "", 401, "not the token", "application/json"},
		{secure, "GET", "ap.key", "", "stranger", 403, "no party", "application/json"},
		{secure, "GET", "ap.key", bearer, "", 200, "all of ap.key", "application/octet-stream"},
		{secure, "GET", "ap.key", "", "party", 200, "all of ap.key", "application/octet-stream"},
		{secure, "GET", "broken.pem", "", "", 500, "at the moment", "application/json"},
		{secure, "POST", "server-ca.pem", "", "", 405, "", ""},
		{secure, "PUT", "", "", "", 405, "", ""},
		{plain, "GET", "server-ca.pem", "", "", 200, "public server-ca.pem", "application/pem-certificate-chain"},
		{plain, "GET", "server-ca.pem", bearer, "", 200, "public server-ca.pem", ""},
		{plain, "GET", "sandbox.json", bearer, "", 200, "public", ""},
		{plain, "GET", "ap.key", "", "", 403, "https://signum.test:8443/sandbox/files/", ""},
		{plain, "GET", "ap.key", bearer, "", 403, "over https only", ""},
		{plain, "DELETE", "ap.crt", "", "", 405, "", ""},
		{secure, "GET", "nothing.pem", "", "", 404, "/sandbox/files/ lists them", "application/json"},
		{secure, "GET", "private", bearer, "", 404, "", ""},
		{secure, "GET", "..%2fap.crt", bearer, "", 404, "", ""},
		{secure, "GET", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", bearer, "", 404, "", ""},
		{plain, "GET", "private%2fserver.key", "", "", 404, "", ""},
		{plain, "GET", "private/server.key", "", "", 404, "", ""},
		{plain, "GET", "AP.KEY", "", "", 404, "", ""},
		{plain, "GET", "ap.key%00", "", "", 404, "", ""},
	} {
		r := httptest.NewRequest(tt.method, "/sandbox/files/"+tt.path, nil)
		if tt.authorization != "" {
			r.Header.Set("Authorization", tt.authorization)
		}
		if tt.cert != "" {
			r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{Raw: []byte(tt.cert)}}}
		}
		w := httptest.NewRecorder()
		tt.on.ServeHTTP(w, r)
		if body := w.Body.String(); w.Code != tt.status || tt.method != "HEAD" && !strings.Contains(body, tt.want) || strings.Contains(body, "somebody") ||
			tt.mediaType != "" && w.Header().Get("Content-Type") != tt.mediaType {
			t.Errorf("%s %s, %q %q, plain %v: %d %s %s", tt.method, tt.path, tt.authorization, tt.cert, tt.on == plain, w.Code, w.Header().Get("Content-Type"), body)
		}
	}
}

func TestListFiles(t *testing.T) {
	c := New(Config{World: World{Files: directory{}}})
	for _, h := range []http.Handler{c.PublicFiles(), c.fileRoutes()["GET /sandbox/files/{$}"]} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/sandbox/files/", nil))
		var list struct{ Files []File }
		if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || len(list.Files) != 6 || list.Files[4] != (File{"ap.key", true}) {
			t.Errorf("%v, %s", err, w.Body)
		}
	}
}

func TestHealth(t *testing.T) {
	for status, code := range map[string]int{Starting: 503, Ready: 200, Failing: 503, Stopping: 503} {
		c := New(Config{Health: func(context.Context) Health { return Health{Status: status} }})
		w := httptest.NewRecorder()
		c.healthRoutes()["GET /sandbox/health"].ServeHTTP(w, httptest.NewRequest("GET", "/sandbox/health", nil))
		if w.Code != code || strings.TrimSpace(w.Body.String()) != `{"status":"`+status+`"}` {
			t.Errorf("%s: %d %s", status, w.Code, w.Body)
		}
	}
}
