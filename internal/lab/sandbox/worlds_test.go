package sandbox

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/lab/control"
)

// someWorld is a world of a running sandbox with a client for each wire.
type someWorld struct {
	*control.WorldInfo
	t       *testing.T
	box     *Sandbox
	clients map[string]*client.Client
	roots   *x509.CertPool
}

// newWorld makes a world over HTTP.
func newWorld(t *testing.T, box *Sandbox, body string) *someWorld {
	t.Helper()
	w := &someWorld{t: t, box: box, WorldInfo: new(control.WorldInfo), clients: make(map[string]*client.Client), roots: x509.NewCertPool()}
	status, answer := box.control(t, "POST", "/sandbox/v1/worlds", body)
	if status != http.StatusCreated {
		t.Fatalf("%d %s", status, answer)
	}
	if err := json.Unmarshal([]byte(answer), w.WorldInfo); err != nil {
		t.Fatal(err)
	}
	w.roots.AppendCertsFromPEM([]byte(w.UserCA))
	for _, wire := range wires {
		w.clients[wire] = w.client(wire, w.BaseURL, w.APID)
	}
	return w
}

func (w *someWorld) client(wire, url, apID string) *client.Client {
	w.t.Helper()
	pair, err := tls.X509KeyPair([]byte(w.Certificate), []byte(w.Key))
	if err != nil {
		w.t.Fatal(err)
	}
	servers := x509.NewCertPool()
	servers.AppendCertsFromPEM([]byte(w.ServerCA))
	c, err := client.New(client.Config{
		BaseURL: url, APID: apID, SOAP: wire == "soap",
		TLS: &tls.Config{RootCAs: servers, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	return c
}

// sign returns the account that signed.
func (w *someWorld) sign(c *client.Client, msisdn string) (serial string, err error) {
	w.t.Helper()
	text := w.DTBDPrefix + "Log in?"
	resp, err := c.Sign(w.t.Context(), client.SignRequest{MSISDN: msisdn, Text: text, Lang: "en"})
	if err != nil {
		return "", err
	}
	s, err := client.Verify(resp.Signature, w.roots)
	if err == nil && s.Text != text {
		err = fmt.Errorf("the text is %q", s.Text)
	}
	if err != nil {
		return "", err
	}
	return s.Serial, nil
}

// The users of every sandbox sign in each world, and are others in each.
func TestWorlds(t *testing.T) {
	t.Parallel()
	box := run(t, Config{})
	var worlds []*someWorld
	for i := range 3 {
		worlds = append(worlds, newWorld(t, box, fmt.Sprintf(`{"name":"t%d"}`, i)))
	}
	var mu sync.Mutex
	seen := make(map[string]string) // world and number by serial
	var all sync.WaitGroup
	for _, w := range worlds {
		for i, msisdn := range []string{"+41791000001", "+41791000002", "+41791000003", "+41791000005", "+41791000006"} {
			all.Go(func() {
				serial, err := w.sign(w.clients[wires[i%2]], msisdn)
				mu.Lock()
				defer mu.Unlock()
				if other := seen[serial]; err != nil || other != "" {
					t.Errorf("%s %s: %v, and %s has the serial %s", w.Name, msisdn, err, other, serial)
				}
				seen[serial] = w.Name + " " + msisdn
			})
		}
	}
	all.Wait()
}

// The path, the certificate or the AP_ID says which world is meant.
func TestWhichWorld(t *testing.T) {
	t.Parallel()
	box := run(t, Config{})
	w := newWorld(t, box, "")
	shared, own := clientOf2(t, box)
	want, err := w.sign(w.clients["rest"], "+41791000001")
	if err != nil {
		t.Fatal(err)
	}
	directory, err := w.sign(own, "+41791000001")
	if err != nil || directory == want {
		t.Fatalf("the world of the directory: %s, %v", directory, err)
	}
	for name, tt := range map[string]struct {
		c    *client.Client
		want string
	}{
		"path and own certificate":        {w.client("rest", w.BaseURL, w.APID), want},
		"own certificate":                 {w.client("rest", box.Info.BaseURL, w.APID), want},
		"own certificate, another AP_ID":  {w.client("soap", box.Info.BaseURL, APID), want},
		"path, certificate of all":        {shared(w.BaseURL, APID), want},
		"AP_ID, certificate of all":       {shared(box.Info.BaseURL, w.APID), want},
		"certificate and AP_ID of others": {own, directory},
	} {
		if got, err := w.sign(tt.c, "+41791000001"); got != tt.want || err != nil {
			t.Errorf("%s: %s, %v, want %s", name, got, err, tt.want)
		}
	}
	if _, err := w.sign(shared(box.Info.BaseURL+"/w/none", APID), "+41791000001"); err == nil {
		t.Error("a world that does not exist signs")
	}
}

// clientOf2 returns a maker of clients with the certificate of the directory, and one of them.
func clientOf2(t *testing.T, box *Sandbox) (shared func(url, apID string) *client.Client, own *client.Client) {
	own, sb := clientOf(t, box.Dir)
	return func(url, apID string) *client.Client {
		cfg := sb.Config
		cfg.BaseURL, cfg.APID = url, apID
		c, err := client.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}, own
}

// What a test does to a world, it does to this world alone.
func TestWorldControl(t *testing.T) {
	t.Parallel()
	box := run(t, Config{})
	a, b := newWorld(t, box, `{"name":"a","users":[{"msisdn":"+41791000001","methods":["SIM"]}],"parties":[{"ap_id":"mid://bank.example","dtbd_prefix":"Bank: "}]}`), newWorld(t, box, `{"name":"b"}`)
	check := func(method, path, body string, status int, want string) {
		t.Helper()
		got, answer := box.control(t, method, path, body)
		if got != status || !strings.Contains(answer, want) {
			t.Errorf("%s %s %s: %d %s, want %d %s", method, path, body, got, answer, status, want)
		}
	}
	check("GET", "/sandbox/v1/worlds/a/users", "", 200, `{"users":[{"msisdn":"+41791000001","methods":["SIM"],"key_type":"EC","state":"ACTIVE","network":"22801"}]}`)
	check("GET", "/w/a/sandbox/v1/users/+41791000001", "", 200, `"msisdn":"+41791000001"`)
	check("POST", "/w/a/sandbox/phone", `{"msisdn":"+41791000001","behaviour":"cancel"}`, 200, "")
	check("PUT", "/sandbox/v1/worlds/b/users/+41791000001", `{"state":"PIN_BLOCKED"}`, 200, "PIN_BLOCKED")
	check("PUT", "/sandbox/v1/worlds/b/users/+4179001*", `{"methods":["SIM"]}`, 201, "")
	check("GET", "/sandbox/v1/worlds/a/parties/mid%3A%2F%2Fbank.example", "", 200, "Bank: ")
	check("GET", "/sandbox/v1/worlds/b/parties/mid%3A%2F%2Fbank.example", "", 404, "no such party")
	for _, tt := range []struct {
		w      *someWorld
		msisdn string
		code   signum.Code
	}{
		{a, "+41791000001", signum.UserCancel}, {a, "+41791000002", signum.UnknownClient}, {a, "+41790010001", signum.UnknownClient},
		{b, "+41791000001", signum.PINBlocked}, {b, "+41791000002", 0}, {b, "+41790010001", 0},
	} {
		_, err := tt.w.sign(tt.w.clients["rest"], tt.msisdn)
		if f := signum.AsFault(err); err == nil && tt.code != 0 || f != nil && f.Code != tt.code || f == nil && err != nil {
			t.Errorf("%s %s: %v, want %v", tt.w.Name, tt.msisdn, err, tt.code)
		}
	}
	check("POST", "/sandbox/v1/worlds/b/reset", "", 204, "")
	if _, err := b.sign(b.clients["soap"], "+41791000001"); err != nil {
		t.Errorf("after a reset: %v", err)
	}
	check("GET", "/sandbox/v1/worlds", "", 200, `{"worlds":[{"name":"a"`)
	check("POST", "/sandbox/v1/worlds", `{"name":"a"}`, 400, "there is a world of this name")
	check("POST", "/sandbox/v1/worlds", `{"name":"A b"}`, 400, "not a name of a world")
	check("POST", "/sandbox/v1/worlds", `{"usres":[]}`, 400, "unknown member")
	var many []string
	for i := range 1000 {
		many = append(many, fmt.Sprintf(`{"msisdn":"+4179200%04d"}`, i))
	}
	check("POST", "/sandbox/v1/worlds", `{"name":"many","users":[`+strings.Join(many, ",")+`]}`, 201, "many")
	check("DELETE", "/sandbox/v1/worlds/a", "", 204, "")
	check("GET", "/sandbox/v1/worlds/a", "", 404, "no such world")
	check("GET", "/sandbox/v1/worlds/a/users", "", 404, "no such world")
	if _, err := a.sign(a.clients["rest"], "+41791000001"); err == nil {
		t.Error("a world that was dropped signs")
	}
}

// A world that is dropped takes its calls with it.
func TestDroppedWorld(t *testing.T) {
	t.Parallel()
	box := run(t, Config{})
	for _, msisdn := range []string{simUser, appUser} {
		w := newWorld(t, box, `{"behaviour":"hold"}`)
		done := w.signing("soap", msisdn)
		w.await(msisdn)
		if status, answer := box.control(t, "DELETE", "/sandbox/v1/worlds/"+w.Name, ""); status != 204 {
			t.Fatalf("%d %s", status, answer)
		}
		if err := <-done; codeOf(err) != signum.InternalError {
			t.Errorf("%s: %v", msisdn, err)
		}
	}
}

// An App of a world sleeps when it has nothing to do, and wakes for a request.
func TestSleepingApp(t *testing.T) {
	t.Parallel()
	box := run(t, Config{})
	w := newWorld(t, box, `{}`)
	found, err := box.worlds.Load().Find(w.Name)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := w.sign(w.clients["rest"], appUser); err != nil {
			t.Fatal(err)
		}
		for found.SoftApps.Connected() > 0 && t.Context().Err() == nil {
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// The certificates of a world name its own OCSP and CRL.
func TestWorldPKI(t *testing.T) {
	t.Parallel()
	box := run(t, Config{})
	w := newWorld(t, box, `{}`)
	resp, err := w.clients["rest"].Sign(t.Context(), client.SignRequest{MSISDN: simUser, Text: w.DTBDPrefix + "Pay?", Lang: "en"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := client.Verify(resp.Signature, w.roots)
	if err != nil {
		t.Fatal(err)
	}
	leaf := s.Certificate
	if !strings.HasPrefix(leaf.OCSPServer[0], w.PKIURL+"/") || !strings.HasPrefix(leaf.CRLDistributionPoints[0], w.PKIURL+"/") {
		t.Errorf("%s %s", leaf.OCSPServer, leaf.CRLDistributionPoints)
	}
	checkStatus(t, box, s, ocsp.Good, 0)
	if status, answer := w.call("PATCH", "users/"+simUser, `{"state":"CERTIFICATE_REVOKED"}`); status != 200 {
		t.Fatalf("%d %s", status, answer)
	}
	checkStatus(t, box, s, ocsp.Revoked, 1)
}
