package sandbox

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/lab/softapp"
)

// TestToken: the token in sandbox.json, which only its owner can read, opens the control
// addresses without a certificate. It outlives the run, and the developer can choose it.
func TestToken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var last string
	cards := card.NewMemory()
	for _, chosen := range []string{"", "", "a-token-of-my-own", ""} {
		box, stop := runUntil(t, Config{Dir: dir, Token: chosen, Cards: cards, Apps: new(softapp.Memory)})
		st, err := os.Stat(box.Path(InfoFile))
		if err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", st.Mode(), err)
		}
		sb, err := client.LoadSandbox(dir)
		if err != nil {
			t.Fatal(err)
		}
		switch want := chosen; {
		case want == "" && last != "" && sb.Token != last, want != "" && sb.Token != want, len(sb.Token) < 16:
			t.Errorf("token %q after %q, chosen %q", sb.Token, last, chosen)
		}
		last = sb.Token
		conf := sb.Config.TLS.Clone()
		conf.Certificates = nil
		tr := &http.Transport{TLSClientConfig: conf}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, sb.BaseURL+"/sandbox/phone", strings.NewReader(`{"msisdn":"+41791000001","behaviour":"approve"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+sb.Token)
		resp, err := (&http.Client{Transport: tr}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Error(resp.Status)
		}
		tr.CloseIdleConnections()
		stop()
	}
	if _, err := Open(t.Context(), Config{Dir: dir, Addr: "127.0.0.1:0", Token: "short"}); err == nil || !strings.Contains(err.Error(), "16 characters") {
		t.Error(err)
	}
}
