package edge

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/event"
)

// TestContractBase: contracts state the configured address, or else the one at which
// the connection arrived, whatever the Host header says.
func TestContractBase(t *testing.T) {
	for _, configured := range []string{"", "https://mss.example.com"} {
		srv, client, _ := serve(t, Options{Service: serviceFunc(echo), URL: configured})
		req, err := http.NewRequest(http.MethodGet, srv.URL+"/contract", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "evil.example"
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		want := configured
		if want == "" {
			want = srv.URL
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if got := string(body); got != "of "+want || resp.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%q, Cache-Control %q, want of %s", got, resp.Header.Get("Cache-Control"), want)
		}
	}
}

// FuzzRefuseBrowsers: a request reaches the service only if no value of Origin or
// Sec-Fetch-Site says that a page sent it.
func FuzzRefuseBrowsers(f *testing.F) {
	f.Add("Origin", "null", "Sec-Fetch-Site", "none")
	f.Add("Sec-Fetch-Site", "none", "Sec-Fetch-Site", "cross-site")
	f.Add("Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate")
	f.Add("Sec-Fetch-Site", "", "Origin", "")
	f.Add("origin", "https://evil.example", "Accept", "*/*")
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2 string) {
		page := false
		r := httptest.NewRequest(http.MethodPost, "/line", strings.NewReader("x"))
		for _, h := range [][2]string{{name1, value1}, {name2, value2}} {
			r.Header.Add(h[0], h[1])
			switch http.CanonicalHeaderKey(h[0]) {
			case "Origin":
				page = true
			case "Sec-Fetch-Site":
				page = page || h[1] != "none"
			}
		}
		reached := false
		w := httptest.NewRecorder()
		RefuseBrowsers(event.New(nil, nil), http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true })).ServeHTTP(w, r)
		if reached == page || page != (w.Code == http.StatusForbidden) {
			t.Errorf("%q: %q, %q: %q: reached %v, status %d", name1, value1, name2, value2, reached, w.Code)
		}
	})
}
