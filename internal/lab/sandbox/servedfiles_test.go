package sandbox

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/lab/control"
)

// TestFetchFiles: a client in another container needs nothing but an http address to learn whom to trust,
// and the token to become the party.
func TestFetchFiles(t *testing.T) {
	t.Parallel()
	box := run(t, Config{Token: "the-token-of-this-test"})
	plain := new(http.Transport)
	defer plain.CloseIdleConnections()
	from := box.Info.PKIURL + "/sandbox/files/"
	_, index := fetch(t, &http.Client{Transport: plain}, from)
	var list struct{ Files []control.File }
	if err := json.Unmarshal([]byte(index), &list); err != nil || len(list.Files) != len(servedFiles) {
		t.Fatalf("%v in %s", err, index)
	}
	for _, f := range list.Files {
		status, body := fetch(t, &http.Client{Transport: plain}, from+f.Name)
		if f.Access != (status == http.StatusForbidden) || strings.Contains(body, "PRIVATE KEY") || strings.Contains(body, box.Info.Token) {
			t.Errorf("%s over http: %d %s", f.Name, status, body)
		}
		if _, _, err := pkcs12.Decode([]byte(body), Password); err == nil {
			t.Errorf("%s over http has a private key", f.Name)
		}
	}
	_, ca := fetch(t, &http.Client{Transport: plain}, from+ServerCAFile)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(ca))
	secure := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer secure.CloseIdleConnections()
	get := func(path, token string) (int, string) {
		return fetch(t, &http.Client{Transport: bearer{secure, token}}, box.Info.BaseURL+path)
	}
	for _, token := range []string{"", box.Info.Token} {
		status, p12 := get("/sandbox/files/"+APP12File, token)
		if _, _, err := pkcs12.Decode([]byte(p12), Password); (status == http.StatusOK && err == nil) != (token != "") {
			t.Errorf("%s with token %q: %d, %v", APP12File, token, status, err)
		}
		status, info := get("/sandbox/files/"+InfoFile, token)
		var known client.Sandbox
		if err := json.Unmarshal([]byte(info), &known); err != nil || status != http.StatusOK || known.BaseURL != box.Info.BaseURL || known.Token != token {
			t.Errorf("%s with token %q: %d, %v, %s", InfoFile, token, status, err, info)
		}
	}
	if status, health := get("/sandbox/health", ""); status != http.StatusOK || strings.TrimSpace(health) != `{"status":"ready"}` {
		t.Errorf("%d %s", status, health)
	}
	// What the CA publishes stays beside it.
	if status, _ := fetch(t, &http.Client{Transport: plain}, box.Info.PKIURL+"/sandbox/nothing"); status != http.StatusNotFound {
		t.Errorf("another path: %d", status)
	}
}

// bearer adds a token to each request.
type bearer struct {
	http.RoundTripper
	token string
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.token != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	return b.RoundTripper.RoundTrip(r)
}

// TestHealth: a sandbox is ready when its users have their phones, and no longer when it was told to end.
// Until then nobody gets the addresses of its last run.
func TestHealth(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/"+InfoFile, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	box, err := Open(t.Context(), Config{Dir: dir, Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	if h := box.health(t.Context()); h.Status != control.Starting || h.Reason == "" {
		t.Errorf("before it runs: %+v", h)
	}
	for _, f := range (controlled{box}).Files() {
		if f.Name == InfoFile {
			t.Error("the addresses of the last run are served")
		}
	}
	if err := box.Close(); err != nil {
		t.Fatal(err)
	}
	box, stop := runUntil(t, Config{Dir: dir, Announces: true})
	if h := box.health(t.Context()); h.Status != control.Starting || h.Reason == "" {
		t.Errorf("while the example runs: %+v", h)
	}
	box.Announce()
	if h := box.health(t.Context()); h.Status != control.Ready {
		t.Errorf("ready: %+v", h)
	}
	stop()
	if h := box.health(t.Context()); h.Status != control.Stopping || h.Reason == "" {
		t.Errorf("stopped: %+v", h)
	}
}
