package interop

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/lab/sandbox"
	"github.com/signum-mssp/signum/internal/testkit"
)

// crowdSize is how many requests clients send at once over one connection. The
// standard settings of many servers allow 100 or 250.
const crowdSize = 300

// observer stands before the service, and sees what a client cannot tell.
type observer struct {
	mu       sync.Mutex
	crowds   map[string]*crowd
	sessions map[string][]bool // by name, whether each connection resumed a TLS session
}

// crowd is requests that are served only when all of them have arrived.
type crowd struct {
	here        int
	connections map[string]bool
	all         chan struct{}
}

// groups numbers crowds and sessions, as a test may run several times.
var groups atomic.Int64

func newGroup() string { return fmt.Sprint("group ", groups.Add(1)) }

var observed = observer{crowds: make(map[string]*crowd), sessions: make(map[string][]bool)}

func (o *observer) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name := r.Header.Get("X-Session"); name != "" {
			o.mu.Lock()
			o.sessions[name] = append(o.sessions[name], r.TLS.DidResume)
			o.mu.Unlock()
		}
		if name := r.Header.Get("X-Crowd"); name != "" {
			select {
			case <-o.join(name, r.Proto+" "+r.RemoteAddr):
			case <-r.Context().Done():
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func (o *observer) join(name, connection string) <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	c := o.crowds[name]
	if c == nil {
		c = &crowd{connections: make(map[string]bool), all: make(chan struct{})}
		o.crowds[name] = c
	}
	c.connections[connection] = true
	if c.here++; c.here == crowdSize {
		close(c.all)
	}
	return c.all
}

// came checks that a crowd was complete, and came over one connection with HTTP/2.
func (o *observer) came(t *testing.T, name string) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	c := o.crowds[name]
	if c == nil || c.here != crowdSize || len(c.connections) != 1 {
		t.Fatalf("not %d requests over one connection: %+v", crowdSize, c)
	}
	for connection := range c.connections {
		if !strings.HasPrefix(connection, "HTTP/2.0 ") {
			t.Error(connection)
		}
	}
}

// TestJavaManyRequests: java.net.http fails a request when the server allows no more on the
// connection, so the server must allow many.
func TestJavaManyRequests(t *testing.T) {
	t.Parallel()
	testkit.Needs(t, "javac")
	w, group := newWorkshop(t, "java"), newGroup()
	if out := strings.TrimSpace(string(w.run("java", "Crowd.java", sandbox.Password, strconv.Itoa(crowdSize), group))); out != strconv.Itoa(crowdSize) {
		t.Errorf("%q", out)
	}
	observed.came(t, group)
}

// TestGoManyRequests: the same with net/http.
func TestGoManyRequests(t *testing.T) {
	t.Parallel()
	party, err := client.LoadSandbox(open(t).Dir)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: party.Config.TLS, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	c := &http.Client{Transport: transport}
	get := func(ctx context.Context, crowd string) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, open(t).Info.BaseURL+"/rest/openapi.yaml", nil)
		if err != nil {
			return err
		}
		req.Header.Set("X-Crowd", crowd)
		resp, err := c.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 {
			return fmt.Errorf("%s %s", resp.Proto, resp.Status)
		}
		return nil
	}
	if err := get(t.Context(), ""); err != nil { // opens the connection
		t.Fatal(err)
	}
	group := newGroup()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var all sync.WaitGroup
	for range crowdSize {
		all.Go(func() {
			if err := get(ctx, group); err != nil {
				cancel(err) // the others would wait for this one
			}
		})
	}
	all.Wait()
	if err := context.Cause(ctx); err != nil {
		t.Fatal(err)
	}
	observed.came(t, group)
}

// TestJavaResumes: Java resumes a session of TLS 1.3. It does not resume one of TLS 1.2,
// because Go gives the tickets of that version a lifetime of 0, as docs/clients.md says.
func TestJavaResumes(t *testing.T) {
	t.Parallel()
	testkit.Needs(t, "javac")
	w := newWorkshop(t, "java")
	w.run("javac", "Resume.java")
	for version, want := range map[string]string{"TLSv1.3": "[false true true]", "TLSv1.2": "[false false false]"} {
		group := newGroup()
		w.run("java",
			"-Djavax.net.ssl.keyStore="+open(t).Path(sandbox.APP12File), "-Djavax.net.ssl.keyStorePassword="+sandbox.Password,
			"-Djavax.net.ssl.trustStore="+open(t).Path(sandbox.TruststoreFile), "-Djavax.net.ssl.trustStorePassword="+sandbox.Password,
			"Resume", version, group)
		observed.mu.Lock()
		if got := fmt.Sprint(observed.sessions[group]); got != want {
			t.Errorf("%s: resumed %s, want %s", version, got, want)
		}
		observed.mu.Unlock()
	}
}
