package edge

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/clientaddr"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/event/eventtest"
	"github.com/signum-mssp/signum/internal/mssp"
)

func parsed(t testing.TB, c tls.Certificate) *x509.Certificate {
	t.Helper()
	x, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func sequence(c *x509.Certificate) string {
	return ":" + base64.StdEncoding.EncodeToString(c.Raw) + ":"
}

// TestProxies: who may name the certificate of a client, and in which form.
func TestProxies(t *testing.T) {
	now := time.Now()
	proxy, party, other := parsed(t, certificate(t, nil)), parsed(t, certificate(t, nil)), parsed(t, certificate(t, nil))
	ended := parsed(t, certificate(t, func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Hour) }))
	const inside, outside = "192.0.2.7:1000", "198.51.100.7:1000"
	named, raw := sequence(party), base64.StdEncoding.EncodeToString(party.Raw)
	header := func(lines ...string) http.Header { return http.Header{clientCert: lines} }
	const strange, malformed = "client_cert_stranger", "client_cert_malformed"
	for name, tt := range map[string]struct {
		shown  []*x509.Certificate
		remote string
		header http.Header
		status int
		party  *x509.Certificate // whose request it becomes
		addr   string
		reason string
	}{
		"a party itself":             {shown: []*x509.Certificate{party}, remote: outside, party: party, addr: "198.51.100.7"},
		"a party that names itself":  {shown: []*x509.Certificate{party}, remote: outside, header: header(named), status: 400, reason: strange},
		"a party that names another": {shown: []*x509.Certificate{party}, remote: outside, header: header(sequence(other)), status: 400, reason: strange},
		"from the network of the proxies, with another certificate": {shown: []*x509.Certificate{other}, remote: inside, header: header(named), status: 400, reason: strange},
		"no certificate":                               {remote: inside, header: header(named), status: 400, reason: strange},
		"a chain alone":                                {shown: []*x509.Certificate{party}, remote: outside, header: http.Header{clientCertChain: {named}}, status: 400, reason: strange},
		"an empty header":                              {shown: []*x509.Certificate{party}, remote: outside, header: header(""), status: 400, reason: strange},
		"the proxy":                                    {shown: []*x509.Certificate{proxy}, remote: inside, header: header(named), party: party, addr: "192.0.2.7"},
		"the proxy, with an address":                   {shown: []*x509.Certificate{proxy}, remote: inside, header: http.Header{clientCert: {named}, "X-Forwarded-For": {"203.0.113.9"}}, party: party, addr: "203.0.113.9"},
		"a party, with an address":                     {shown: []*x509.Certificate{party}, remote: outside, header: http.Header{"X-Forwarded-For": {"203.0.113.9"}}, party: party, addr: "198.51.100.7"},
		"the proxy, from elsewhere":                    {shown: []*x509.Certificate{proxy}, remote: outside, header: header(named), status: 400, reason: strange},
		"the proxy, from elsewhere, for itself":        {shown: []*x509.Certificate{proxy}, remote: outside, addr: "198.51.100.7"},
		"the proxy for nobody":                         {shown: []*x509.Certificate{proxy}, remote: inside, addr: "192.0.2.7"},
		"the proxy, with a certificate that has ended": {shown: []*x509.Certificate{ended}, remote: inside, header: header(named), status: 400, reason: strange},
		"two headers":                                  {shown: []*x509.Certificate{proxy}, remote: inside, header: header(named, sequence(other)), status: 400, reason: malformed},
		"two in one":                                   {shown: []*x509.Certificate{proxy}, remote: inside, header: header(named + ", " + sequence(other)), status: 400, reason: malformed},
		"the same twice":                               {shown: []*x509.Certificate{proxy}, remote: inside, header: header(named, named), status: 400, reason: malformed},
		"empty":                                        {shown: []*x509.Certificate{proxy}, remote: inside, header: header(""), status: 400, reason: malformed},
		"no colons":                                    {shown: []*x509.Certificate{proxy}, remote: inside, header: header(raw), status: 400, reason: malformed},
		"bad base64":                                   {shown: []*x509.Certificate{proxy}, remote: inside, header: header(":" + raw[:40] + "!" + raw[41:] + ":"), status: 400, reason: malformed},
		"base64 of URLs":                               {shown: []*x509.Certificate{proxy}, remote: inside, header: header(":" + base64.URLEncoding.EncodeToString(append(party.Raw, 0xff, 0xff, 0xff)) + ":"), status: 400, reason: malformed},
		"more than a certificate":                      {shown: []*x509.Certificate{proxy}, remote: inside, header: header(":" + base64.StdEncoding.EncodeToString(append(party.Raw[:len(party.Raw):len(party.Raw)], 0)) + ":"), status: 400, reason: malformed},
		"no certificate in it":                         {shown: []*x509.Certificate{proxy}, remote: inside, header: header(":aGVsbG8=:"), status: 400, reason: malformed},
		"parameters":                                   {shown: []*x509.Certificate{proxy}, remote: inside, header: header(named + ";a=1"), status: 400, reason: malformed},
		"PEM":                                          {shown: []*x509.Certificate{proxy}, remote: inside, header: header("-----BEGIN CERTIFICATE----- " + raw + " -----END CERTIFICATE-----"), status: 400, reason: malformed},
		"a chain without a certificate":                {shown: []*x509.Certificate{proxy}, remote: inside, header: http.Header{clientCertChain: {named}}, status: 400, reason: malformed},
		"a bad chain":                                  {shown: []*x509.Certificate{proxy}, remote: inside, header: http.Header{clientCert: {named}, clientCertChain: {"x"}}, status: 400, reason: malformed},
		"a chain, which a party must not send":         {shown: []*x509.Certificate{proxy}, remote: inside, header: http.Header{clientCert: {named}, clientCertChain: {sequence(other) + ", " + sequence(proxy)}}, addr: "192.0.2.7"},
	} {
		for _, major := range []int{1, 2} {
			var got *mssp.Caller
			var addr, seen string
			collected := new(eventtest.Sink)
			p := &Proxies{
				From: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Clock: mssp.SystemClock{}, Events: event.New(nil, nil, collected),
				Pins: map[mssp.Pin]bool{mssp.PinOf(proxy.Raw): true, mssp.PinOf(ended.Raw): true},
			}
			h := p.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				c := CallerOf(r.TLS, now)
				got, addr, seen = &c, clientaddr.Source(r), strings.Join(r.Header[clientCert], "")+strings.Join(r.Header[clientCertChain], "")
			}))
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("x"))
			r.RemoteAddr, r.TLS, r.ProtoMajor = tt.remote, &tls.ConnectionState{PeerCertificates: tt.shown}, major
			if tt.header != nil {
				r.Header = tt.header.Clone()
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			reason := ""
			for _, e := range collected.Events() {
				reason += e.Reason
			}
			if tt.status != 0 {
				if w.Code != tt.status || got != nil || reason != tt.reason {
					t.Errorf("%s: status %d, reason %q, passed on: %v", name, w.Code, reason, got)
				}
				continue
			}
			want := mssp.Pin{}
			if tt.party != nil {
				want = mssp.PinOf(tt.party.Raw)
			}
			if got == nil || got.Pin != want || (tt.party == nil) != (got.Problem != "") || addr != tt.addr || seen != "" || reason != "" {
				t.Errorf("%s: %+v from %s, headers %q, status %d", name, got, addr, seen, w.Code)
			}
		}
	}
}

// FuzzCertOf: what is taken is a certificate, and there is no other header for it.
func FuzzCertOf(f *testing.F) {
	c := parsed(f, certificate(f, nil))
	f.Add(sequence(c))
	f.Add(":" + base64.RawStdEncoding.EncodeToString(c.Raw) + ":")
	f.Add("::")
	f.Add(":")
	f.Add(":AA==:;a")
	f.Fuzz(func(t *testing.T, item string) {
		c, err := certOf(item)
		if err != nil {
			return
		}
		if again, err := x509.ParseCertificate(c.Raw); err != nil || !bytes.Equal(again.Raw, c.Raw) || sequence(c) != item {
			t.Errorf("%q is taken", item)
		}
	})
}
