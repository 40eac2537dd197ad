package sandbox

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

// TestAttackPrivateFiles: whatever path somebody on the network asks for, no private key, no token and no
// file of the service leaves the directory. A web page gets nothing from the service, whatever certificate
// the browser has.
func TestAttackPrivateFiles(t *testing.T) {
	t.Parallel()
	// Not by run, which holds each call against the contract: these paths are not in it.
	box, err := Open(t.Context(), Config{Dir: t.TempDir(), Addr: "127.0.0.1:0", WebPhones: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- box.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-served, box.Close()); err != nil {
			t.Error(err)
		}
	})
	<-box.Ready()
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer tr.CloseIdleConnections()
	ask := func(base, path string, header ...string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.URL.Opaque = path // as it is
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	public := map[string]bool{InfoFile: true}
	for _, f := range servedFiles {
		public[f.Name] = public[f.Name] || !f.Access
	}
	err = filepath.WalkDir(box.Dir, func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(box.Dir, name)
		if err != nil {
			return err
		}
		for _, base := range []string{box.Info.BaseURL, box.Info.PKIURL} {
			for _, path := range []string{rel, url.PathEscape(rel), "./" + rel, "../files/" + rel, "..%2f" + url.PathEscape(rel), "/" + rel, name, url.PathEscape(name), "ap.crt/../" + rel, rel + "%00.pem", rel + "/"} {
				status, body := ask(base, "/sandbox/files/"+path)
				if strings.Contains(body, "PRIVATE KEY") || strings.Contains(body, box.Info.Token) || status == http.StatusOK && !public[rel] && !strings.HasPrefix(body, `{"files":`) {
					t.Errorf("%s/sandbox/files/%s: %d %.60q", base, path, status, body)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	for _, file := range []string{"", ServerCAFile, APKeyFile} {
		if status, _ := ask(box.Info.BaseURL, "/sandbox/files/"+file, "Sec-Fetch-Site", "cross-site", "Authorization", "Bearer "+box.Info.Token); status != http.StatusForbidden {
			t.Errorf("a web page asks for %q: %d", file, status)
		}
	}
}
