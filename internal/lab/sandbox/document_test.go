package sandbox

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/api/contract"
	"github.com/signum-mssp/signum/internal/testkit"
)

// block is a fenced code block of a document.
type block struct {
	line       int
	info, text string
}

func blocks(t *testing.T, file string) []block {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var list []block
	var open *block
	for i, line := range strings.Split(string(data), "\n") {
		info, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && open == nil:
			open = &block{line: i + 1, info: info}
		case fence:
			list, open = append(list, *open), nil
		case open != nil:
			open.text += line + "\n"
		}
	}
	if open != nil {
		t.Fatalf("%s:%d: the block does not end", file, open.line)
	}
	return list
}

// TestDocument runs the examples of docs/api.md in a shell, with curl and openssl, as a reader
// would. The block after an example is the expected output, in which "…" matches anything.
func TestDocument(t *testing.T) {
	t.Parallel()
	testkit.Needs(t, "bash", "curl", "openssl")
	const file = "../../../docs/api.md"
	box := run(t, Config{Wrap: publicly(t)})
	var setup string
	list, ran := blocks(t, file), 0
	for i, b := range list {
		switch b.info {
		case "sh setup":
			setup += strings.ReplaceAll(b.text, "https://127.0.0.1:8443", box.Info.BaseURL)
		case "sh":
			if i+1 == len(list) || list[i+1].info != "text" {
				t.Fatalf("%s:%d: nothing says what the example prints", file, b.line)
			}
			t.Run(fmt.Sprintf("line %d", b.line), func(t *testing.T) { runExample(t, box.Dir, setup, b, list[i+1]) })
			ran++
		}
	}
	if ran < 15 {
		t.Errorf("only %d examples", ran)
	}
}

func runExample(t *testing.T, dir, setup string, b, want block) {
	script := exec.CommandContext(t.Context(), "bash", "-c", "set -u\n"+setup+b.text)
	script.Dir = dir
	var errs strings.Builder
	script.Stderr = &errs
	out, err := script.Output()
	if err != nil {
		t.Errorf("%v\n%s", err, errs.String())
	}
	for _, line := range strings.Split(strings.TrimSpace(want.text), "\n") {
		var parts []string
		for _, part := range strings.Split(line, "…") {
			parts = append(parts, regexp.QuoteMeta(part))
		}
		if !regexp.MustCompile(strings.Join(parts, ".*?")).Match(out) {
			t.Errorf("not printed: %s\nbut: %s%s", line, out, errs.String())
		}
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
