package sandbox

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/api/contract"
	"github.com/signum-mssp/signum/internal/testkit"
)

// TestDocument runs the examples of docs/api.md in a shell, with curl and openssl, as a reader
// would. The block after an example is the expected output, in which "…" matches anything.
func TestDocument(t *testing.T) {
	t.Parallel()
	testkit.Needs(t, "bash", "curl", "openssl")
	box := run(t, Config{Wrap: publicly(t)})
	examples, setup := testkit.Examples(t, "../../../docs/api.md")
	setup = strings.ReplaceAll(setup, "https://127.0.0.1:8443", box.Info.BaseURL)
	for _, e := range examples {
		t.Run(fmt.Sprintf("line %d", e.Commands.Line), func(t *testing.T) {
			if err := e.Run(t, box.Dir, setup); err != nil {
				t.Error(err)
			}
		})
	}
	if len(examples) < 15 {
		t.Errorf("only %d examples", len(examples))
	}
}

// publicly checks that each example in JSON is valid under the contract of the public service,
// too, unless it uses a service that the JSON of that contract does not have.
func publicly(t *testing.T) func(http.Handler) http.Handler {
	var seen atomic.Int64
	t.Cleanup(func() {
		if n := seen.Load(); n < 15 {
			t.Errorf("only %d examples in JSON", n)
		}
	})
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/rest/") {
				body, err := io.ReadAll(r.Body)
				if err == nil && !bytes.Contains(body, []byte(signum.ServiceVerification)) && !bytes.Contains(body, []byte(signum.ServiceValidate)) {
					seen.Add(1)
					err = contract.Public(r.URL.Path, body)
				}
				if err != nil {
					t.Errorf("%s: %v in %s", r.URL.Path, err, body)
				}
				r.Body = io.NopCloser(bytes.NewReader(body))
			}
			next.ServeHTTP(w, r)
		})
	}
}
