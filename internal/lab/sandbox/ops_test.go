package sandbox

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// Metrics and health of a sandbox have an address of their own, on a free port.
func TestOps(t *testing.T) {
	f := newFixture(t)
	h := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for path, want := range map[string]string{"/readyz?verbose": "[+] smsc: ok\n", "/metrics": `signum_smpp_sessions_wanted{smsc="sandbox"} 2`} {
		resp, err := h.Get(f.Info.OpsURL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || !strings.Contains(string(body), want) {
			t.Errorf("%s: %d, %v, no %q", path, resp.StatusCode, err, want)
		}
	}
}
