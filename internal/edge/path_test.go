package edge

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestSlashes: the body of a request arrives whichever slashes the address has, and
// nobody is redirected.
func TestSlashes(t *testing.T) {
	srv, client, _ := serve(t, Options{Service: serviceFunc(echo)}, certificate(t, nil))
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for target, want := range map[string]int{
		"/line": 200, "/line/": 200, "//line": 200, "///line//": 200, "/line/?x=//": 200,
		"/": 404, "//": 404, "/line/x": 404, "/%2Fline": 404, "/line%2F": 404, "/LINE": 404,
	} {
		resp, err := client.Post(srv.URL+target, "text/line", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != want || want == 200 && string(body) != "hello" {
			t.Errorf("%s: %d %q, %v; want %d", target, resp.StatusCode, body, err, want)
		}
	}
}

func FuzzWithoutSlashes(f *testing.F) {
	for _, seed := range []string{"/", "//", "/a", "/a/", "//a//b", "", "a/", "*", "/../a//"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		got := withoutSlashes(path)
		if withoutSlashes(got) != got {
			t.Errorf("%q: %q is not final", path, got)
		}
		if strings.HasPrefix(path, "/") && (got[0] != '/' || strings.Contains(got, "//") || len(got) > 1 && strings.HasSuffix(got, "/")) {
			t.Errorf("%q: %q", path, got)
		}
		if strings.ReplaceAll(got, "/", "") != strings.ReplaceAll(path, "/", "") {
			t.Errorf("%q: %q has other segments", path, got)
		}
	})
}
