package sandbox

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/testkit"
)

// named is an HTTP client that asks a sandbox by a name that does not resolve here.
func named(t *testing.T, b *Sandbox) *http.Client {
	t.Helper()
	roots, err := client.LoadRoots(b.Path(ServerCAFile))
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			_, port, _ := net.SplitHostPort(address)
			return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
		},
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func fetch(t *testing.T, c *http.Client, url string) (status int, body string) {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// TestHosts: the first host is in every address, all of them are in the certificate, and the pages answer
// to all but wildcards. None of them resolves here.
func TestHosts(t *testing.T) {
	t.Parallel()
	f := newFixtureWith(t, Config{
		Addr: "0.0.0.0:0", OpsAddr: "0.0.0.0:0", AuthURI: phonePath,
		Hosts: []string{"signum.invalid", "*.box.invalid", "second.invalid", "192.0.2.9"},
	})
	for what, address := range map[string]string{
		"base_url": f.Info.BaseURL, "pki_url": f.Info.PKIURL, "web_url": f.Info.WebURL, "ops_url": f.Info.OpsURL,
	} {
		if !regexp.MustCompile(`^https?://signum\.invalid:\d+$`).MatchString(address) {
			t.Errorf("%s: %s", what, address)
		}
	}
	c := named(t, f.Sandbox)
	for _, document := range []string{"/rest/openapi.yaml", "/soap/services/MSS_SignaturePort?wsdl"} {
		if _, body := fetch(t, c, f.Info.BaseURL+document); !strings.Contains(body, f.Info.BaseURL) || strings.Contains(body, "127.0.0.1") {
			t.Errorf("%s does not state %s", document, f.Info.BaseURL)
		}
	}
	cert := f.serverCert()
	for host, valid := range map[string]bool{
		"signum.invalid": true, "second.invalid": true, "a.box.invalid": true, "192.0.2.9": true, "localhost": true, "127.0.0.1": true, "::1": true,
		"box.invalid": false, "a.b.box.invalid": false, "other.invalid": false, "0.0.0.0": false, "::": false,
	} {
		if err := cert.VerifyHostname(host); (err == nil) != valid {
			t.Errorf("the certificate for %s: %v", host, err)
		}
	}
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(f.Info.WebURL, "https://"))
	for host, want := range map[string]int{
		"signum.invalid": http.StatusOK, "second.invalid": http.StatusOK, "localhost": http.StatusOK, "127.0.0.1": http.StatusOK,
		"a.box.invalid": http.StatusMisdirectedRequest,
	} {
		if status, body := fetch(t, c, "https://"+net.JoinHostPort(host, port)+"/phone"); status != want {
			t.Errorf("the phone page at %s: %d %s", host, status, body)
		}
	}
	if i, err := f.Invite(t.Context(), "+41791234567"); err != nil || !strings.HasPrefix(i.URL, f.Info.WebURL+"/phone?code=") {
		t.Errorf("invited to %+v, %v", i, err)
	}
	java, err := os.ReadFile(f.Path(JavaFile))
	if err != nil || !strings.Contains(string(java), "server.rest.url="+f.Info.BaseURL+"/") {
		t.Errorf("the Java client is sent to another address, %v\n%s", err, java)
	}
	f.certified(f.addUser(person.Approve, signum.SIM, signum.App), f.Info.PKIURL)
}

// serverCert is the sandbox's TLS certificate, as a client gets it.
func (b *Sandbox) serverCert() *x509.Certificate {
	conn, err := tls.Dial("tcp", b.MSSAddr(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0]
}

// certified checks that the certificates behind a user's signatures name the base of the PKI.
func (f *fixture) certified(msisdn, base string) {
	f.t.Helper()
	for _, profile := range []string{signum.ProfileSTK, signum.ProfileDevice} {
		c := f.party.Config
		c.BaseURL, c.TLS.ServerName, c.Now = "https://"+f.MSSAddr(), localhost, f.clock.Now
		cl, err := client.New(c)
		if err != nil {
			f.t.Fatal(err)
		}
		defer cl.Close()
		resp, err := cl.Sign(f.t.Context(), client.SignRequest{MSISDN: msisdn, Text: DTBDPrefix + "Hello", Lang: "en", Profile: profile})
		if err != nil {
			f.t.Fatal(err)
		}
		sig, err := client.Verify(resp.Signature, f.party.UserRoots)
		if err != nil {
			f.t.Fatal(err)
		}
		for _, cert := range sig.Chain[:2] { // the user's, and the issuing CA's
			for _, uri := range slices.Concat(cert.OCSPServer, cert.IssuingCertificateURL, cert.CRLDistributionPoints) {
				if !strings.HasPrefix(uri, base+"/") {
					f.t.Errorf("%s names %s, not %s", cert.Subject.CommonName, uri, base)
				}
			}
		}
	}
}

// TestPublicURL: certificates name the base of OCSP and CRL as everybody reaches it, for example through a
// proxy. Its port is the listener's, if that is free.
func TestPublicURL(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	f := newFixtureWith(t, Config{Hosts: []string{"signum.invalid"}, PublicURL: "http://pki.invalid:" + port + "/ca"})
	if want := "http://pki.invalid:" + port + "/ca"; f.Info.PKIURL != want {
		t.Errorf("OCSP and CRL at %s, want %s", f.Info.PKIURL, want)
	}
	f.certified(f.addUser(person.Approve, signum.SIM, signum.App), f.Info.PKIURL)
}

// TestMoved: a directory that is used again with another address of OCSP and CRL gives its users and the
// issuing CA certificates that name it. What a client trusts stays.
func TestMoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, stop := runUntil(t, Config{Dir: dir})
	stop()
	before := readFiles(t, dir, UserCAFile, ServerCAFile, APCertFile)
	f := &fixture{t: t, Sandbox: run(t, Config{Dir: dir, PublicURL: "http://pki.invalid"}), clock: testkit.RunningClock()}
	var err error
	if f.party, err = client.LoadSandbox(dir); err != nil {
		t.Fatal(err)
	}
	for _, msisdn := range []string{"+41791000003", f.addUser(person.Approve, signum.SIM, signum.App)} {
		f.certified(msisdn, "http://pki.invalid")
	}
	if after := readFiles(t, dir, UserCAFile, ServerCAFile, APCertFile); after != before {
		t.Error("the files that clients trust have changed")
	}
}

func readFiles(t *testing.T, dir string, names ...string) (all string) {
	t.Helper()
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		all += string(data)
	}
	return all
}

// TestUnspecified: an address that stands for all of the machine is nobody's address. It is in no file and
// no certificate; a directory that an older version wrote it to loses it.
func TestUnspecified(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:0", "[::]:0", ":0"} {
		dir := t.TempDir()
		err := prepareDir(dir)
		if err == nil {
			_, err = serverPair(dir, "0.0.0.0", "::") // as older versions did
		}
		if err != nil {
			t.Fatal(err)
		}
		box, stop := runUntil(t, Config{Dir: dir, Addr: addr, OpsAddr: addr})
		if cert := box.serverCert(); slices.ContainsFunc(cert.IPAddresses, net.IP.IsUnspecified) || cert.VerifyHostname("127.0.0.1") != nil {
			t.Errorf("%s: the certificate is for %v", addr, cert.IPAddresses)
		}
		if !box.Unnamed() {
			t.Errorf("%s: the sandbox has a name", addr)
		}
		stop()
		err = filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || strings.Contains(name, "signum.db") {
				return err
			}
			data, err := os.ReadFile(name)
			if strings.Contains(string(data), "0.0.0.0") || strings.Contains(string(data), "[::]") {
				t.Errorf("%s: %s contains the address", addr, name)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// TestAddresses: whatever the address is, the sandbox reaches itself, and others reach it by what it
// prints; or it says in one line what is wrong.
func TestAddresses(t *testing.T) {
	t.Parallel()
	hostname, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for host, base := range map[string]string{
		"127.0.0.1": "https://127.0.0.1:", "127.0.0.5": "https://127.0.0.5:", "localhost": "https://127.0.0.1:", "::1": "https://[::1]:", hostname: "https://" + hostname + ":",
	} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			addr := net.JoinHostPort(host, "0")
			if err := listens(addr); err != nil {
				// Not every machine has IPv6, 127.0.0.5 or its own name.
				_, got := Open(t.Context(), Config{Dir: t.TempDir(), Addr: addr})
				if wrong, ok := errors.AsType[*OptionError](got); !ok || wrong.Option != "Addr" || strings.Contains(got.Error(), "\n") {
					t.Errorf("this machine does not listen on %s (%v), and the sandbox says %v", addr, err, got)
				}
				return
			}
			box := run(t, Config{Addr: addr})
			if box.Unnamed() {
				t.Error("the address of the listener is no name")
			}
			if !strings.HasPrefix(box.Info.BaseURL, base) {
				t.Errorf("base URL %s, want %s…", box.Info.BaseURL, base)
			}
			if err := box.Example(t.Context(), NewNarrator(io.Discard)); err != nil {
				t.Error(err)
			}
			c, _ := clientOf(t, box.Dir)
			if _, err := c.Sign(t.Context(), client.SignRequest{MSISDN: "+41791000001", Text: DTBDPrefix + "Hello", Lang: "en"}); err != nil {
				t.Errorf("a client of this machine at %s: %v", box.Info.BaseURL, err)
			}
		})
	}
}

func listens(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err == nil {
		err = l.Close()
	}
	return err
}

// TestPagesForOthers: the pages alone may be for other machines. Then they have TLS, and the software Apps use
// them there.
func TestPagesForOthers(t *testing.T) {
	t.Parallel()
	for _, web := range []string{"0.0.0.0:0", "127.0.0.5:0"} {
		if listens(web) != nil {
			web = "127.0.0.1:0" // not every machine has all of 127.0.0.0/8
		}
		box := run(t, Config{Addr: "127.0.0.1:0", WebAddr: web, Hosts: map[bool][]string{true: {"signum.invalid"}}[web != "0.0.0.0:0"]})
		if !strings.HasPrefix(box.Info.WebURL, "https://") {
			t.Errorf("pages at %s", box.Info.WebURL)
		}
		if err := box.Example(t.Context(), NewNarrator(io.Discard)); err != nil {
			t.Error(err)
		}
	}
}

// TestReach: what is listened on, certified and published, and what is refused.
func TestReach(t *testing.T) {
	t.Parallel()
	names := map[string][]netip.Addr{
		"signum": {netip.MustParseAddr("2001:db8::7"), netip.MustParseAddr("::ffff:10.55.0.2")},
		"six":    {netip.MustParseAddr("fe80::1%eth0")},
	}
	known := func(_ context.Context, _, host string) ([]netip.Addr, error) {
		if a := names[host]; a != nil {
			return slices.Clone(a), nil
		}
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	for _, tt := range []struct {
		addr           string
		hosts          []string
		listen, public string
		certified      []string
		local          bool
	}{
		{"127.0.0.1:1", nil, "127.0.0.1", "", []string{"127.0.0.1"}, true},
		{"localhost:1", nil, "127.0.0.1", "", []string{"127.0.0.1"}, true},
		{"[::1]:1", nil, "::1", "", []string{"::1"}, true},
		{"10.55.0.2:1", nil, "10.55.0.2", "", []string{"10.55.0.2"}, false},
		{"[::ffff:127.0.0.1]:1", nil, "127.0.0.1", "", []string{"127.0.0.1"}, true},
		{"signum:1", nil, "10.55.0.2", "signum", []string{"signum", "10.55.0.2", "2001:db8::7"}, false},
		{"six:1", nil, "fe80::1", "six", []string{"six", "fe80::1"}, false},
		{"signum:1", []string{"other"}, "10.55.0.2", "other", []string{"other", "signum", "10.55.0.2", "2001:db8::7"}, false},
		{"127.0.0.1:1", []string{"*.x.test"}, "127.0.0.1", "", []string{"*.x.test", "127.0.0.1"}, true},
		{"127.0.0.1:1", []string{"localhost"}, "127.0.0.1", "localhost", []string{"localhost", "127.0.0.1"}, true},
		{"127.0.0.1:1", []string{"*.x.test", "a.x.test"}, "127.0.0.1", "a.x.test", []string{"*.x.test", "a.x.test", "127.0.0.1"}, false},
	} {
		r, err := newReach(t.Context(), Config{Addr: tt.addr, Hosts: tt.hosts}, known)
		if err != nil || r.listen != tt.listen || r.public != tt.public || !slices.Equal(r.certified, tt.certified) || r.local() != tt.local {
			t.Errorf("%s, hosts %v: %+v, local %v, %v", tt.addr, tt.hosts, r, r.local(), err)
		}
	}
	c, err := Config{WebAddr: "signum:2", PKIAddr: ":3", OpsAddr: "wrong"}.withAddresses(t.Context(), known)
	if err != nil || c.WebAddr != "10.55.0.2:2" || c.PKIAddr != ":3" || c.OpsAddr != "wrong" {
		t.Errorf("%+v, %v", c, err)
	}
	_, err = Config{OpsAddr: "elsewhere:1"}.withAddresses(t.Context(), known)
	if wrong, ok := errors.AsType[*OptionError](err); !ok || wrong.Option != "OpsAddr" {
		t.Error(err)
	}
	for _, tt := range []struct {
		addr, host, option, want string
	}{
		{"nowhere", "signum", "Addr", "is not host:port"},
		{"elsewhere:1", "signum", "Addr", "give --host elsewhere"},
		{"[fe80::1%eth0]:1", "signum", "Addr", "listen on [::]"},
		{"127.0.0.1:1", "0.0.0.0", "Hosts", "no address at which anybody"},
		{"127.0.0.1:1", "signum:8443", "Hosts", "without a port"},
		{"127.0.0.1:1", "*.127.0.0.1", "Hosts", "not for addresses"},
		{"127.0.0.1:1", "*.", "Hosts", "missing"},
		{"127.0.0.1:1", "*", "Hosts", "not a host name"},
		{"127.0.0.1:1", "a.*.test", "Hosts", "not a host name"},
		{"127.0.0.1:1", "", "Hosts", "missing"},
	} {
		_, err := newReach(t.Context(), Config{Addr: tt.addr, Hosts: []string{tt.host}}, known)
		if wrong, ok := errors.AsType[*OptionError](err); !ok || wrong.Option != tt.option || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s, host %q: %v", tt.addr, tt.host, err)
		}
	}
}

// TestSilentResolver: a name server that does not answer does not keep a start waiting.
func TestSilentResolver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := func(ctx context.Context, _, _ string) ([]netip.Addr, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		if _, err := newReach(t.Context(), Config{Addr: "signum:1"}, silent); err == nil || !strings.Contains(err.Error(), "no address of the name signum") {
			t.Error(err)
		}
	})
}
