package edge

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lineWire is a minimal wire: the body of a request is its MSISDN, and the body of an
// answer is the MSISDN or the text of the fault.
type lineWire struct{}

func (lineWire) Name() string          { return "line" }
func (lineWire) Endpoints() []Endpoint { return []Endpoint{{"/line", signum.OpSignature}} }
func (lineWire) Documents() []Document {
	return []Document{
		{Path: "/line", Query: "contract", ContentType: "text/contract", Body: func(base string) []byte { return []byte("at " + base) }},
		{Path: "/contract", ContentType: "text/contract", Body: func(base string) []byte { return []byte("of " + base) }},
	}
}
func (lineWire) Accepts(m string) bool { return m == "text/line" || m == "" }
func (lineWire) ContentType() string   { return "text/line" }
func (lineWire) Decode(op signum.Operation, b []byte) (signum.Request, Form, error) {
	if strings.HasPrefix(string(b), "bad") {
		return nil, 7, signum.Faultf(signum.WrongParam, "bad line")
	}
	if string(b) == "panic" {
		panic("decoder")
	}
	return &signum.SignatureRequest{MSISDN: string(b)}, 7, nil
}
func (lineWire) AppendResponse(dst []byte, f Form, r signum.Response) []byte {
	if r.(*signum.SignatureResponse).MSISDN == "unsayable" {
		panic("encoder")
	}
	return append(dst, r.(*signum.SignatureResponse).MSISDN...)
}
func (lineWire) AppendFault(dst []byte, f Form, flt *signum.Fault) []byte {
	return append(dst, strconv.Itoa(int(f))+" "+flt.Error()...)
}

type serviceFunc func(context.Context, *mssp.Caller, *signum.SignatureRequest) (*signum.SignatureResponse, error)

func (f serviceFunc) Sign(ctx context.Context, c *mssp.Caller, r *signum.SignatureRequest) (*signum.SignatureResponse, error) {
	return f(ctx, c, r)
}
func (serviceFunc) Status(context.Context, *mssp.Caller, *signum.StatusRequest) (*signum.StatusResponse, error) {
	return nil, errors.New("not asked for")
}

func (serviceFunc) Receipt(context.Context, *mssp.Caller, *signum.ReceiptRequest) (*signum.ReceiptResponse, error) {
	return nil, errors.New("not asked for")
}
func (serviceFunc) Profile(context.Context, *mssp.Caller, *signum.ProfileRequest) (*signum.ProfileResponse, error) {
	return nil, errors.New("not asked for")
}

func echo(_ context.Context, c *mssp.Caller, r *signum.SignatureRequest) (*signum.SignatureResponse, error) {
	if c.Problem != "" {
		return &signum.SignatureResponse{MSISDN: c.Problem}, nil
	}
	return &signum.SignatureResponse{MSISDN: r.MSISDN}, nil
}

// serve runs a mutual-TLS server and returns it with a client that has the
// certificates.
func serve(t *testing.T, o Options, certs ...tls.Certificate) (*httptest.Server, *http.Client, *testkit.Buffer) {
	t.Helper()
	log := new(testkit.Buffer)
	o.Logger = slog.New(slog.NewTextHandler(log, nil))
	mux := http.NewServeMux()
	Register(mux, o, lineWire{})
	srv := httptest.NewUnstartedServer(TolerateSlashes(mux))
	srv.TLS = TLSConfig(new(tls.Config), nil)
	srv.TLS.Certificates = nil // httptest brings its own
	srv.StartTLS()
	t.Cleanup(srv.Close)
	tr := srv.Client().Transport.(*http.Transport)
	if len(certs) > 0 {
		tr.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certs[0], nil }
	}
	return srv, srv.Client(), log
}

func post(t *testing.T, c *http.Client, url string, body io.Reader, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequest("POST", url+"/line", body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func zipped(s string) io.Reader {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, s)
	z.Close()
	return &b
}

// endless hides the length of a body, so that it is sent in chunks.
type endless struct{ io.Reader }

func TestLimits(t *testing.T) {
	svc := serviceFunc(func(ctx context.Context, c *mssp.Caller, r *signum.SignatureRequest) (*signum.SignatureResponse, error) {
		switch r.MSISDN {
		case "crash":
			panic("service")
		case "broken":
			return nil, errors.New("the disk is full at /secret/path")
		case "refused":
			return nil, signum.NewFault(signum.UserCancel)
		}
		return echo(ctx, &mssp.Caller{}, r)
	})
	srv, client, log := serve(t, Options{Service: svc, MaxBody: 1000})
	big := strings.Repeat("x", 10<<20)
	for _, tt := range []struct {
		name   string
		body   io.Reader
		header []string
		status int
		want   string
	}{
		{"as it should", strings.NewReader("hello"), []string{"Content-Type", "text/line; charset=UTF-8"}, 200, "hello"},
		{"odd parameters", strings.NewReader("hello"), []string{"Content-Type", "Text/Line; =x"}, 200, "hello"},
		{"no type", strings.NewReader("hello"), nil, 200, "hello"},
		{"wrong type", strings.NewReader("hello"), []string{"Content-Type", "text/csv"}, 500, "101 WRONG_PARAM: This endpoint does not accept Content-Type text/csv"},
		{"odd type", strings.NewReader("hello"), []string{"Content-Type", "text/<csv>"}, 500, "101 WRONG_PARAM: This endpoint does not accept this Content-Type"},
		{"gzip", zipped("hello"), []string{"Content-Encoding", "gzip"}, 200, "hello"},
		{"x-gzip", zipped("hello"), []string{"Content-Encoding", "x-gzip"}, 200, "hello"},
		{"gzip in capitals", zipped("hello"), []string{"Content-Encoding", "GZip"}, 200, "hello"},
		{"gzip in a list", zipped("hello"), []string{"Content-Encoding", "identity, X-GZIP ,"}, 200, "hello"},
		{"gzip and a character set", zipped("hello"), []string{"Content-Encoding", "gzip, utf-8"}, 200, "hello"},
		{"gzip twice", zipped("hello"), []string{"Content-Encoding", "gzip, x-gzip"}, 500, "101 WRONG_PARAM: Content-Encoding names gzip twice"},
		{"identity", strings.NewReader("hello"), []string{"Content-Encoding", "Identity"}, 200, "hello"},
		{"no encoding", strings.NewReader("hello"), []string{"Content-Encoding", ""}, 200, "hello"},
		{"br", strings.NewReader("hello"), []string{"Content-Encoding", "br"}, 500, "101 WRONG_PARAM: The service does not support Content-Encoding br: send the body as it is, or compress it with gzip"},
		{"deflate", strings.NewReader("hello"), []string{"Content-Encoding", "Deflate"}, 500, "does not support Content-Encoding deflate"},
		{"zstd in a list", strings.NewReader("hello"), []string{"Content-Encoding", "gzip, zstd"}, 500, "does not support Content-Encoding zstd"},
		{"unknown encoding", strings.NewReader("hello"), []string{"Content-Encoding", "aes128gcm"}, 500, "does not support Content-Encoding aes128gcm"},
		{"encoding that is no name", strings.NewReader("hello"), []string{"Content-Encoding", `<b>"`}, 500, "101 WRONG_PARAM: The service does not support this Content-Encoding: send"},
		{"encoding that is too long", strings.NewReader("hello"), []string{"Content-Encoding", strings.Repeat("x", 99)}, 500, "101 WRONG_PARAM: The service does not support this Content-Encoding: send"},
		{"meaningless encoding", strings.NewReader("hello"), []string{"Content-Encoding", "UTF-8"}, 200, "hello"},
		{"not gzip", strings.NewReader("hello"), []string{"Content-Encoding", "gzip"}, 500, "101 WRONG_PARAM: Body is not gzip"},
		{"gzip bomb", zipped(big), []string{"Content-Encoding", "gzip"}, 500, "101 WRONG_PARAM: Body is larger than 1000 bytes"},
		{"gzip cut off", io.LimitReader(zipped("hello"), 20), []string{"Content-Encoding", "gzip"}, 500, "101 WRONG_PARAM: Body"},
		{"10 MB", strings.NewReader(big), nil, 500, "101 WRONG_PARAM: Body is larger than 1000 bytes"},
		{"10 MB in chunks", endless{strings.NewReader(big)}, nil, 500, "101 WRONG_PARAM: Body is larger than 1000 bytes"},
		{"undecodable, in the form it came", strings.NewReader("bad"), nil, 500, "7 101 WRONG_PARAM: bad line"},
		{"fault", strings.NewReader("refused"), nil, 500, "7 401 USER_CANCEL"},
		{"internal error", strings.NewReader("broken"), nil, 500, "7 900 INTERNAL_ERROR: Unknown Error (trace "},
		{"panic in the service", strings.NewReader("crash"), nil, 500, "7 900 INTERNAL_ERROR: Unknown Error (trace "},
		{"panic in the decoder", strings.NewReader("panic"), nil, 500, "900 INTERNAL_ERROR: Unknown Error (trace "},
		{"panic in the encoder", strings.NewReader("unsayable"), nil, 500, "7 900 INTERNAL_ERROR: Unknown Error (trace "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, got := post(t, client, srv.URL, tt.body, tt.header...)
			if status != tt.status || !strings.Contains(got, tt.want) {
				t.Errorf("got %d %q, want %d %q", status, got, tt.status, tt.want)
			}
			if strings.Contains(got, "secret") {
				t.Error("the cause leaked")
			}
		})
	}
	if !strings.Contains(log.String(), "the disk is full at /secret/path") {
		t.Error("the cause is not in the log")
	}
	for _, where := range []string{"service", "decoder", "encoder"} { // with its stack, and in the event
		if n := strings.Count(log.String(), `panic in `+where+`: `); n != 2 {
			t.Errorf("no event of the panic in the %s:\n%s", where, log.String())
		}
	}
	resp, err := client.Get(srv.URL + "/line")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: got %d", resp.StatusCode)
	}
}

// TestBrokenBody: the fault of a body that does not end, when the server stops waiting
// for it.
func TestBrokenBody(t *testing.T) {
	srv, client, _ := serve(t, Options{Service: serviceFunc(echo)})
	next := srv.Config.Handler
	srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		next.ServeHTTP(w, r)
	})
	r, w := io.Pipe()
	defer w.Close()
	go io.WriteString(w, "never ends")
	if status, got := post(t, client, srv.URL, endless{r}); status != 500 || !strings.Contains(got, "Body could not be read") {
		t.Errorf("got %d %q", status, got)
	}
}

// TestRetryAfter: a party that waits as long as the header says is not refused again.
func TestRetryAfter(t *testing.T) {
	for wait, want := range map[time.Duration]string{
		0: "", time.Nanosecond: "1", time.Second: "1", time.Second + 1: "2", 10 * time.Minute: "600",
	} {
		srv, client, _ := serve(t, Options{Service: serviceFunc(func(context.Context, *mssp.Caller, *signum.SignatureRequest) (*signum.SignatureResponse, error) {
			return nil, fmt.Errorf("refused: %w", &signum.Fault{Code: signum.InternalError, Detail: signum.DetailTooMany, RetryAfter: wait})
		})})
		resp, err := client.Post(srv.URL+"/line", "text/line", strings.NewReader("a"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Header.Get("Retry-After"); got != want || resp.StatusCode != 500 {
			t.Errorf("%s: %d, Retry-After %q, want %q", wait, resp.StatusCode, got, want)
		}
	}
}

func TestEvent(t *testing.T) {
	srv, client, log := serve(t, Options{Service: serviceFunc(echo)})
	post(t, client, srv.URL, strings.NewReader("+41791234164"))
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "msisdn=+41****64") || strings.Contains(got, "1234164") {
		t.Errorf("got %q", got)
	}
}

func certificate(t testing.TB, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(c)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestCaller(t *testing.T) {
	good := certificate(t, nil)
	chain := certificate(t, nil)
	chain.Certificate = append(chain.Certificate, good.Certificate[0])
	for _, tt := range []struct {
		name  string
		certs []tls.Certificate
		want  string
	}{
		{"self-signed", []tls.Certificate{good}, "hello"},
		{"none", nil, "no client certificate"},
		{"chain", []tls.Certificate{chain}, "a chain"},
		{"server certificate", []tls.Certificate{certificate(t, func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		})}, "lacks the extended key usage"},
		{"no usage", []tls.Certificate{certificate(t, func(c *x509.Certificate) { c.ExtKeyUsage = nil })}, "lacks the extended key usage"},
		{"expired", []tls.Certificate{certificate(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })}, "not valid now"},
		{"not yet valid", []tls.Certificate{certificate(t, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) })}, "not valid now"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv, client, _ := serve(t, Options{Service: serviceFunc(echo)}, tt.certs...)
			if _, got := post(t, client, srv.URL, strings.NewReader("hello")); !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if c := CallerOf(nil, time.Now()); c.Problem == "" {
		t.Error("a connection without TLS identifies nobody")
	}
}

func TestTLSVersion(t *testing.T) {
	srv, _, _ := serve(t, Options{Service: serviceFunc(echo)})
	conn, err := tls.Dial("tcp", srv.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	if err == nil {
		conn.Close()
		t.Error("TLS 1.1 was accepted")
	}
	var nerr net.Error
	if errors.As(err, &nerr) && nerr.Timeout() {
		t.Error(err)
	}
}

func TestDocuments(t *testing.T) {
	srv, c, _ := serve(t, Options{Service: serviceFunc(echo)})
	for path, want := range map[string]struct {
		status            int
		contentType, body string
	}{
		"/line?contract":   {200, "text/contract", "at " + srv.URL},
		"/line?CONTRACT":   {200, "text/contract", "at " + srv.URL},
		"/line?Contract=":  {200, "text/contract", "at " + srv.URL},
		"/line?contracts":  {405, "text/plain; charset=utf-8", "Messages are sent with POST; the contract is at ?contract\n"},
		"/line":            {405, "text/plain; charset=utf-8", "Messages are sent with POST; the contract is at ?contract\n"},
		"/contract":        {200, "text/contract", "of " + srv.URL},
		"/contract?x=y":    {200, "text/contract", "of " + srv.URL},
		"/line/?contract=": {200, "text/contract", "at " + srv.URL},
		"//contract//":     {200, "text/contract", "of " + srv.URL},
		"/contract/x":      {404, "text/plain; charset=utf-8", "404 page not found\n"},
	} {
		resp, err := c.Get(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != want.status || resp.Header.Get("Content-Type") != want.contentType || string(body) != want.body {
			t.Errorf("%s: %d %s %q, %v", path, resp.StatusCode, resp.Header.Get("Content-Type"), body, err)
		}
	}
}
