package sandbox

import (
	"bytes"
	"io"
	"net/http"
	"os/exec"
	"path"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/signum-mssp/signum/api/contract"
	"github.com/signum-mssp/signum/internal/testkit"
)

// recorder validates every exchange of a sandbox against the contracts: all answers, and the
// requests that the service did not refuse as malformed.
type recorder struct {
	t    testing.TB
	dir  string
	mu   sync.Mutex
	soap [][]byte
	seen map[string]bool
	n    int
}

// liberties is the header of a request that departs from the contract on purpose, and is served
// nevertheless. Its answer must be valid.
const liberties = "X-Takes-Liberties"

func newRecorder(t testing.TB) *recorder {
	r := &recorder{t: t, dir: t.TempDir(), seen: make(map[string]bool)}
	t.Cleanup(r.check)
	return r
}

// ofWorld are the paths that mean the same in a world as the rest of the path in the directory's.
var ofWorld = regexp.MustCompile(`^(/sandbox/v1)/worlds/[^/]+(/.+)$|^/w/[^/]+(/.*)$`)

// inWorld returns the path as the contracts have it.
func inWorld(path string) string { return ofWorld.ReplaceAllString(path, "$1$2$3") }

func (rec *recorder) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, page := r.Header["Origin"]
		if strings.HasPrefix(inWorld(r.URL.Path), "/sandbox/") && !page && r.Header.Get("Sec-Fetch-Site") == "" { // pages are refused before
			rec.control(next, w, r)
			return
		}
		if p := path.Clean(inWorld(r.URL.Path)); r.Method != http.MethodPost || !strings.HasPrefix(p, "/rest/") && !strings.HasPrefix(p, "/soap/") {
			next.ServeHTTP(w, r)
			return
		}
		var request bytes.Buffer
		copied := *r // net/http looks at the body of its own when it has answered
		copied.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(r.Body, &request), r.Body}
		tap := &tap{ResponseWriter: w}
		next.ServeHTTP(tap, &copied)
		sent := request.Bytes()
		if r.Header.Get(liberties) != "" {
			sent = nil
		}
		rec.add(path.Clean(inWorld(r.URL.Path)), sent, tap.status, tap.body.Bytes())
	})
}

// control validates a call of a control address, but neither a body that the sandbox did not
// read nor a file of cards, which is large.
func (rec *recorder) control(next http.Handler, w http.ResponseWriter, r *http.Request) {
	x := contract.Exchange{Method: r.Method, Path: inWorld(r.URL.EscapedPath()), RequestType: r.Header.Get("Content-Type")}
	var request bytes.Buffer
	copied := *r
	copied.Body = struct {
		io.Reader
		io.Closer
	}{io.TeeReader(r.Body, &request), r.Body}
	tap := &tap{ResponseWriter: w, status: http.StatusOK}
	next.ServeHTTP(tap, &copied)
	x.Request, x.Status, x.Response, x.ResponseType = request.Bytes(), tap.status, tap.body.Bytes(), w.Header().Get("Content-Type")
	if x.Path != r.URL.EscapedPath() && x.Status == http.StatusNotFound && bytes.Contains(x.Response, []byte("no such world")) {
		return // any address of a world can say so
	}
	if err := contract.Sandbox(x); err != nil {
		rec.t.Errorf("against the contract: %s %s: %v\nrequest:  %.500s\nresponse: %.500s", x.Method, x.Path, err, x.Request, x.Response)
	}
}

// tap copies an answer.
type tap struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

// Unwrap is for http.ResponseController.
func (t *tap) Unwrap() http.ResponseWriter { return t.ResponseWriter }

func (t *tap) WriteHeader(status int) {
	t.status = status
	t.ResponseWriter.WriteHeader(status)
}

func (t *tap) Write(b []byte) (int, error) {
	t.body.Write(b)
	return t.ResponseWriter.Write(b)
}

// add records an exchange. It does not validate a request that was refused as malformed or for an
// unknown profile, because tests send those on purpose.
func (rec *recorder) add(path string, request []byte, status int, response []byte) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if status != http.StatusOK && status != http.StatusInternalServerError {
		return // no message
	}
	rec.n++
	for _, code := range []string{"_101", "_102", "_108", "_109"} {
		if bytes.Contains(response, []byte(code)) {
			request = nil
		}
	}
	if strings.HasPrefix(path, "/rest/") {
		if err := contract.REST(path, request, status, response); err != nil {
			rec.t.Errorf("against the contract: POST %s: %v\nrequest:  %s\nresponse: %s", path, err, request, response)
		}
		return
	}
	for _, m := range [][]byte{request, response} {
		if len(m) > 0 && !rec.seen[string(m)] {
			rec.seen[string(m)] = true
			rec.soap = append(rec.soap, bytes.Clone(m))
		}
	}
}

// check validates the SOAP messages, all at once.
func (rec *recorder) check() {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if len(rec.soap) == 0 {
		return
	}
	if _, err := exec.LookPath("xmllint"); err != nil {
		// Do not skip the test: it has done its own work by now.
		if testkit.InCI() {
			rec.t.Error(err)
		}
		return
	}
	verdicts, err := contract.Validate(rec.dir, rec.soap...)
	if err != nil {
		rec.t.Error(err)
	}
	for i, v := range verdicts {
		if v != nil {
			rec.t.Errorf("against the contract: %v in\n%s", v, rec.soap[i])
		}
	}
	rec.t.Logf("%d exchanges, %d SOAP messages held against the contracts", rec.n, len(rec.soap))
}

// TestRecorder: the recorder reports violations.
func TestRecorder(t *testing.T) {
	t.Parallel()
	fake := &failures{TB: t}
	rec := newRecorder(fake)
	rec.add("/rest/service/sign", []byte(`{"MSS_SignatureReq":{}}`), 200, []byte(`{"MSS_SignatureResp":{}}`))
	rec.add("/soap/services/MSS_SignaturePort", []byte(`<a/>`), 200, []byte(`<b/>`))
	rec.check()
	if fake.n != 3 {
		t.Errorf("%d failures, want 3", fake.n)
	}
	rec.soap = nil
}

// failures counts what would be errors.
type failures struct {
	testing.TB
	n int
}

func (f *failures) Errorf(string, ...any) { f.n++ }
