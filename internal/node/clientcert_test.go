package node

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/config"
)

// TestClientCert: over real connections a proxy names the certificate of a party, and
// nobody else can.
func TestClientCert(t *testing.T) {
	proxy := clientCertificate(t)
	file := filepath.Join(t.TempDir(), "proxies.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: proxy.Certificate[0]}), 0o600); err != nil {
		t.Fatal(err)
	}
	a := newArena(t, func(c *config.Config) {
		c.Listen.MSS.ClientCert = config.ClientCert{From: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, CertificatesFile: file}
	})
	a.party("mid://party", false)
	named := ":" + base64.StdEncoding.EncodeToString(a.cert.Certificate[0]) + ":"
	ask := func(cert tls.Certificate, h2 bool, header ...string) (status int, body string) {
		t.Helper()
		tr := &http.Transport{ForceAttemptHTTP2: h2, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{cert}}}
		defer tr.CloseIdleConnections()
		q, err := http.NewRequest(http.MethodPost, "https://"+a.MSSAddr()+"/rest/service/status", bytes.NewBufferString(
			`{"MSS_StatusReq":{"MajorVersion":"1","MinorVersion":"1","AP_Info":{"AP_ID":"mid://party","AP_PWD":"x","AP_TransID":"T1","Instant":"`+a.clock.Now().UTC().Format("2006-01-02T15:04:05.000Z")+`"},"MSSP_Info":{"MSSP_ID":{"URI":"http://mss.example.com/"}},"MSSP_TransID":"unknown"}}`))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Content-Type", "application/json")
		for _, line := range header {
			q.Header.Add("Client-Cert", line)
		}
		resp, err := (&http.Client{Transport: tr}).Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	const unauthorized, authorized = "_104", "_101" // the transaction is not known
	for _, h2 := range []bool{false, true} {
		for name, tt := range map[string]struct {
			cert   tls.Certificate
			header []string
			status int
			body   string
		}{
			"the party":                    {cert: a.cert, status: 500, body: authorized},
			"the proxy for the party":      {cert: proxy, header: []string{named}, status: 500, body: authorized},
			"the proxy for itself":         {cert: proxy, status: 500, body: unauthorized},
			"the party with the header":    {cert: a.cert, header: []string{named}, status: 400, body: "takes no Client-Cert from you"},
			"a stranger with the header":   {cert: clientCertificate(t), header: []string{named}, status: 400, body: "takes no Client-Cert from you"},
			"the proxy with two headers":   {cert: proxy, header: []string{named, named}, status: 400, body: "must be one certificate"},
			"without a client certificate": {header: []string{named}, status: 400, body: "takes no Client-Cert from you"},
		} {
			if status, body := ask(tt.cert, h2, tt.header...); status != tt.status || !strings.Contains(body, tt.body) {
				t.Errorf("%s (HTTP/2: %t): %d %s", name, h2, status, body)
			}
		}
	}
}
