package node

import (
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/testkit"
)

// TestTrustedProxies: behind a proxy that is trusted the source of an event is
// the client, except where application providers come with certificates: there
// the header can only be the client's own.
func TestTrustedProxies(t *testing.T) {
	c := testConfig(t)
	c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	var log testkit.Buffer
	n := serve(t, c, Deps{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for _, tt := range []struct{ url, wire, source string }{
		{n.WebListenerURL() + "/app/v2/enrol/begin", "app", "203.0.113.9"},
		{"https://" + n.MSSAddr() + "/rest/service/sign", "rest", "127.0.0.1"},
	} {
		q, err := http.NewRequest("POST", tt.url, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("X-Forwarded-For", "198.51.100.7, 203.0.113.9")
		q.Header.Set("Content-Type", "application/json")
		h := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
		resp, err := h.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if want := "entrance=" + tt.wire + " "; !strings.Contains(log.String(), want) {
			t.Errorf("no event with %q:\n%s", want, log.String())
		}
		for line := range strings.Lines(log.String()) {
			if strings.Contains(line, "entrance="+tt.wire+" ") && !strings.Contains(line, "source="+tt.source+" ") {
				t.Errorf("the source is not %s: %s", tt.source, line)
			}
		}
	}
}
