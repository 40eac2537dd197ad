package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// keyPair writes a self-signed certificate and its key.
func keyPair(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		return write(t, name, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})), 0o600)
	}
	return write("crt", "CERTIFICATE", cert), write("key", "PRIVATE KEY", der)
}

func write(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
	return path
}

// minimal is a file that has what is required.
func minimal(t *testing.T) string {
	t.Helper()
	cert, key := keyPair(t)
	return `service:
  mssp_uri: http://mss.example.com/
listen:
  mss:
    tls: {certificate_file: ` + cert + `, key_file: ` + key + `}
store:
  url: sqlite:signum.db
ca:
  directory: ca
`
}

func TestLoad(t *testing.T) {
	file := write(t, "signum.yaml", minimal(t)+`
trusted_proxies: [10.0.0.0/8, "fd00::/8", 192.0.2.10, "2001:db8::1"]
limits: {max_body: 1MiB}
engine:
  sweep: 1s500ms
  poll:
log: {level: warn}
`, 0o644)
	c, warnings, err := Load(file, []string{"PATH=/bin", "SIGNUM_LISTEN_WEB_URL=https://id.example.com/", "SIGNUM_APP_LIMITS_DEVICE_BURST=7"})
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, warnings %v", err, warnings)
	}
	want := Default()
	want.Service.MSSPURI = "http://mss.example.com/"
	want.Listen.MSS.TLS = c.Listen.MSS.TLS
	want.Listen.Web.URL = "https://id.example.com"
	want.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"),
		netip.MustParsePrefix("192.0.2.10/32"), netip.MustParsePrefix("2001:db8::1/128")}
	want.Store.URL = NewSecret("sqlite:signum.db")
	want.CA.Directory = "ca"
	want.App.Limits.Device.Burst = 7
	want.Limits.MaxBody = 1 << 20
	want.Engine.Sweep = 1500 * time.Millisecond
	want.Log.Level = slog.LevelWarn
	diff(t, *c, want)
	if _, _, err := Load(filepath.Join(t.TempDir(), "none.yaml"), nil); err == nil || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("a file that does not exist: %v", err)
	}
}

func diff(t *testing.T, got, want Config) {
	t.Helper()
	g, w := strings.Split(print(t, got), "\n"), strings.Split(print(t, want), "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			t.Errorf("got %s\nwant %s", g[i], w[i])
		}
	}
	if got.Store.URL != want.Store.URL {
		t.Error("the URL of the store differs")
	}
}

// TestProblems: every fault is reported at once, in the order of the file, each
// with its line, its path and what to do.
func TestProblems(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		env        []string
		want       []string
	}{
		{"no file", "", nil, []string{
			"signum.yaml: ca.directory: is needed: the directory with the keys and certificates of the CA",
			"signum.yaml: listen.mss.tls.certificate_file: is needed, with key_file: application providers connect over TLS",
			"signum.yaml: service.mssp_uri: is needed: a URI that names the service in its answers, such as http://mss.example.com/",
			"signum.yaml: store.url: is needed: sqlite:PATH or postgres://…",
		}},
		{"typing errors", "listen:\n  adress: x\n  mss:\n    adress: 127.0.0.1:1\n    address: here\nlimit:\n  max_open: 1\nengine:\n  sweep: 5\n  xyzzy: 1\n", nil, []string{
			"signum.yaml:2: listen.adress: unknown key; the keys here are host, mss, web, pki, ops, admin, exempt, cipher_suites",
			"signum.yaml:4: listen.mss.adress: unknown key, did you mean address?",
			`signum.yaml:5: listen.mss.address: "here" is not host:port with a port from 0 to 65535`,
			"signum.yaml:6: limit: unknown key, did you mean limits?",
			`signum.yaml:9: engine.sweep: "5" is not a duration such as 250ms, 10s, 5m or 1h30m`,
			"signum.yaml:10: engine.xyzzy: unknown key; the keys here are skew, sweep, min_timeout, poll",
		}},
		{"forms", "listen: 5\ntrusted_proxies: 10.0.0.0/8\nservice: {name: [a]}\nlimits: {max_body: 64kb, party: {max_open: many}}\nca: {create: perhaps}\nlog: {level: loud}\n", nil, []string{
			"signum.yaml:1: listen: must be a section: one \"key: value\" per line",
			"signum.yaml:2: trusted_proxies: must be a list, such as [10.0.0.0/8]",
			"signum.yaml:3: service.name: must be a single value",
			`signum.yaml:4: limits.max_body: "64kb" is not a size such as 64KiB; the units are B, KiB, MiB and GiB`,
			`signum.yaml:4: limits.party.max_open: "many" is not a whole number`,
			`signum.yaml:5: ca.create: "perhaps" is neither true nor false`,
			"signum.yaml:6: log.level: ",
		}},
		{"lists", "trusted_proxies: [10.0.0.0/8, 10.0.0.0/33]\n", nil, []string{`signum.yaml:1: trusted_proxies: entry 2: "10.0.0.0/33" is neither a network, such as 192.0.2.0/24, nor an address`}},
		{"twice", "log: {level: info}\nlog: {level: warn}\n", nil, []string{"signum.yaml:2: log: appears twice; keep one"}},
		{"no YAML", "a: [\n", nil, []string{"signum.yaml: "}},
		{"two documents", "log: {level: info}\n---\nlog: {level: warn}\n", nil, []string{"there is more than one YAML document; keep one"}},
		{"name", "service: {name: ' Bank'}\n", nil, []string{"signum.yaml:1: service.name: must not begin or end with a space"}},
		{"values", "service: {name: '', country: ch}\nengine: {skew: 40m, sweep: 0s, min_timeout: 900ms}\nsim:\n  retry: {backoff: 9s, attempts: 0}\n  advance: {step: 0}\n  home_network: {mcc: 41, mnc: x}\napp: {max_connections: 0, vapid: {public_key: x}}\nca: {profile: md5}\n", nil, []string{
			"signum.yaml:1: service.country: must be a country in two capital letters (ISO 3166-1), such as CH",
			"signum.yaml:1: service.name: must have 1 to 40 printable characters",
			"signum.yaml:2: engine.min_timeout: must be a whole number of seconds from 1s to 40s",
			"signum.yaml:2: engine.sweep: must be longer than 0s",
			"signum.yaml:4: sim.retry.attempts: must be at least 1",
			"signum.yaml:5: sim.advance.step: must be 1 to 1073741824",
			"signum.yaml:6: sim.home_network.mcc: must be 3 digits",
			"signum.yaml:6: sim.home_network.mnc: must be 2 or 3 digits",
			"signum.yaml:7: app.max_connections: must be at least 1",
			`signum.yaml:8: ca.profile: unknown profile "md5"; use ecdsa or rsa-pss`,
			"app.vapid.contact: is needed beside public_key: push services refuse a service without an address of its operator",
			"app.vapid.private_key: is needed beside public_key",
			"sim.retry.max_backoff: must be at least sim.retry.backoff, 9s",
			"retention.outcomes: must be at least twice engine.skew, 1h20m0s",
		}},
		{"retention", "engine: {retention: 1h}\nretention: {outcomes: 2h}\n", nil, []string{
			"signum.yaml:1: engine.retention: is retention.outcomes now",
			"retention.evidence: must be at least retention.outcomes, 2h0m0s: an outcome is read from the evidence",
		}},
		{"retention of certificates", "retention: {devices: -1s, certificates: 59m}\n", nil, []string{
			"signum.yaml:1: retention.certificates: must be 0s, which keeps them, or at least retention.evidence, 1h0m0s, which needs them",
			"signum.yaml:1: retention.devices: must not be negative; 0s keeps them",
		}},
		{"contact", "app: {vapid: {contact: sandbox@localhost.invalid}}\n", nil, []string{
			"signum.yaml:1: app.vapid.contact: must be an e-mail address that can exist: push services refuse all others",
		}},
		{"drain", "drain: {announce: -1s, wait: 2h}\n", nil, []string{
			"signum.yaml:1: drain.announce: must be from 0s to 1h",
			"signum.yaml:1: drain.wait: must be from 0s to 1h",
		}},
		{"Client-Cert", "listen: {mss: {client_cert: {from: ['0.0.0.0/0'], certificates_file: nowhere}}}\n", nil, []string{
			"signum.yaml:1: listen.mss.client_cert.certificates_file: cannot load the certificates of the proxies: open nowhere: no such file or directory",
			"signum.yaml:1: listen.mss.client_cert.from: 0.0.0.0/0 is everywhere; list the networks of the proxies",
		}},
		{"Client-Cert from anybody", "listen: {mss: {client_cert: {certificates_file: nowhere}}}\n", nil, []string{
			"listen.mss.client_cert.from: is needed beside certificates_file: the networks of the proxies",
		}},
		{"Client-Cert without proof", "listen: {mss: {client_cert: {from: [10.0.0.0/8]}}}\n", nil, []string{
			"listen.mss.client_cert.certificates_file: is needed beside from: anybody who can send the header can be any party",
		}},
		{"trust", "trusted_proxies: [10.0.0.0/8, '::/0']\n", nil, []string{"signum.yaml:1: trusted_proxies: ::/0 trusts everybody"}},
		{"rates", "app: {limits: {begin: {per_minute: 0, burst: 99999999999}}}\n", nil, []string{
			"app.limits.begin.per_minute: must be a number from 1 to 60000000",
			"app.limits.begin.burst: must be a number from 1 to 60000000",
		}},
		{"SMSC", "sim:\n  smscs:\n  - {address: 'smsc:2775', password: ninechars, window: 0}\n  master_key: 0xff\n  service_number: +41790000500\n", nil, []string{
			"signum.yaml:3: sim.smscs.0.name: is needed",
			"signum.yaml:3: sim.smscs.0.password: must have at most 8 characters",
			"signum.yaml:3: sim.smscs.0.system_id: is needed",
			"signum.yaml:3: sim.smscs.0.window: must be a number from 1 to 1000",
			"signum.yaml:4: sim.master_key: must be 64 hexadecimal digits",
			"signum.yaml:5: sim.service_number: must be 1 to 15 digits",
		}},
		{"listeners", "listen:\n  mss: {address: '', tls: {key_file: x}}\n  web: {address: '0.0.0.0:1', url: https://x/y}\n  pki: {url: 'https://x'}\n  ops: {address: 1}\n", nil, []string{
			"signum.yaml:2: listen.mss.address: is needed: host:port to listen on",
			"listen.mss.tls.certificate_file: is needed beside key_file",
			"signum.yaml:3: listen.web.url: must be an origin, without a path",
			"listen.web.tls.certificate_file: the pages would be served without TLS at 0.0.0.0:1",
			"signum.yaml:4: listen.pki.url: must begin with http:",
			`signum.yaml:5: listen.ops.address: "1" is not host:port`,
		}},
		{"certificate", "listen: {web: {tls: {certificate_file: /nowhere.pem, key_file: /nowhere.key}}}\n", nil, []string{
			"signum.yaml:1: listen.web.tls.certificate_file: cannot load the TLS certificate and its key: open /nowhere.pem:",
		}},
		{"environment", "limits: {party: {max_open: many}}\n", []string{"SIGNUM_LOG_LEVEL=loud", "SIGNUM_TRUSTED_PROXIES=10.0.0.0/8, x", "SIGNUM_ENGINE_SKEW=-1s"}, []string{
			"environment: SIGNUM_ENGINE_SKEW: must be longer than 0s",
			"environment: SIGNUM_LOG_LEVEL: ",
			"environment: SIGNUM_TRUSTED_PROXIES: entry 2: ",
		}},
		{"limits", "limits:\n  max_body: 0B\n  party:\n    max_open: 0\n    requests: {per_minute: 0}\n    otp_one_number: {burst: 0}\n" +
			"  number: {cancels: 0, cancel_period: 0s}\n  otp: {prefixes: ['+41', 41, +4x]}\n", nil, []string{
			"signum.yaml:2: limits.max_body: must be at least 1B",
			"signum.yaml:4: limits.party.max_open: must be at least 1",
			"signum.yaml:5: limits.party.requests.per_minute: must be a number from 1 to 60000000",
			"signum.yaml:6: limits.party.otp_one_number.burst: must be a number from 1 to 60000000",
			"signum.yaml:7: limits.number.cancels: must be a number from 1 to 100000",
			"signum.yaml:7: limits.number.cancel_period: must be longer than 0s",
			`signum.yaml:8: limits.otp.prefixes: "41" must be + and at most 15 digits`,
			`signum.yaml:8: limits.otp.prefixes: "+4x" must be + and at most 15 digits`,
		}},
		{"store", "store: {url: 'mysql://user:s3cret@x'}\n", nil, []string{`signum.yaml:1: store.url: unknown database "mysql"; use sqlite:PATH or postgres://…`}},
	} {
		_, _, err := Read("signum.yaml", []byte(tt.text), tt.env)
		if err == nil {
			t.Errorf("%s: no error", tt.name)
			continue
		}
		for _, want := range tt.want {
			if !slices.ContainsFunc(strings.Split(err.Error(), "\n"), func(line string) bool { return strings.Contains(line, want) }) {
				t.Errorf("%s: no %q in\n%v", tt.name, want, err)
			}
		}
		if strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "ninechars") || strings.Contains(err.Error(), "0xff") {
			t.Errorf("%s: the error has a secret: %v", tt.name, err)
		}
		last := 0
		for _, p := range err.(interface{ Unwrap() []error }).Unwrap() {
			line := p.(*Problem).Line
			if line < last {
				t.Errorf("%s: line %d comes after line %d", tt.name, line, last)
			}
			last = line
		}
	}
}

// TestSecretFiles: a secret is a value or a file, and a file may end in a line
// end.
func TestSecretFiles(t *testing.T) {
	base := strings.Replace(minimal(t), "  url: sqlite:signum.db\n", "", 1)
	private := func(text string) string { return write(t, "secret", text, 0o400) }
	for _, tt := range []struct {
		name, text, want, problem string
		env                       []string
	}{
		{name: "file", text: "url_file: " + private("sqlite:a\n"), want: "sqlite:a"},
		{name: "line end of Windows", text: "url_file: " + private("sqlite:a\r\n"), want: "sqlite:a"},
		{name: "one line end only", text: "url_file: " + private("sqlite:a \n\n"), want: "sqlite:a \n"},
		{name: "no line end", text: "url_file: " + private("sqlite:a"), want: "sqlite:a"},
		{name: "both", text: "url: sqlite:a\n  url_file: " + private("sqlite:a"), problem: "signum.yaml:8: store.url_file: is set together with store.url; keep one of them"},
		{name: "empty", text: "url_file: " + private("\n"), problem: "is empty"},
		{name: "none", text: "url_file: /nowhere", problem: "signum.yaml:7: store.url_file: stat /nowhere:"},
		{name: "none of environment", text: "url:", env: []string{"SIGNUM_STORE_URL_FILE=/nowhere"}, problem: "environment: SIGNUM_STORE_URL_FILE: stat /nowhere:"},
		{name: "large", text: "url_file: " + private(strings.Repeat("a", maxSecret+1)), problem: "at most"},
		{name: "environment for value", text: "url: sqlite:a", env: []string{"SIGNUM_STORE_URL=sqlite:b"}, want: "sqlite:b"},
		{name: "environment for file", text: "url_file: /nowhere", env: []string{"SIGNUM_STORE_URL=sqlite:b"}, want: "sqlite:b"},
		{name: "file of environment for value", text: "url: sqlite:a", env: []string{"SIGNUM_STORE_URL_FILE=" + private("sqlite:b")}, want: "sqlite:b"},
		{name: "both of environment", env: []string{"SIGNUM_STORE_URL=sqlite:b", "SIGNUM_STORE_URL_FILE=x"}, text: "url:",
			problem: "environment: SIGNUM_STORE_URL_FILE: is set together with store.url"},
	} {
		text := strings.Replace(base, "store:\n", "store:\n  "+tt.text+"\n", 1)
		c, warnings, err := Read("signum.yaml", []byte(text), tt.env)
		switch {
		case tt.problem != "" && (err == nil || !strings.Contains(err.Error(), tt.problem)):
			t.Errorf("%s: %v, want %s", tt.name, err, tt.problem)
		case tt.problem != "" && strings.Contains(err.Error(), "is needed"):
			t.Errorf("%s: a secret whose file cannot be read is no missing one: %v", tt.name, err)
		case tt.problem == "" && (err != nil || len(warnings) > 0 || c.Store.URL.Reveal() != tt.want):
			t.Errorf("%s: %+v, %v, %v", tt.name, c, warnings, err)
		}
	}
}

// TestSecretMode: a file that others can read is used, with a warning.
func TestSecretMode(t *testing.T) {
	base := strings.Replace(minimal(t), "  url: sqlite:signum.db\n", "", 1)
	for mode, warn := range map[os.FileMode]bool{0o400: false, 0o600: false, 0o440: false, 0o644: true, 0o620: true, 0o604: true} {
		file := write(t, "secret", "sqlite:a\n", mode)
		_, warnings, err := Read("signum.yaml", []byte(strings.Replace(base, "store:\n", "store:\n  url_file: "+file+"\n", 1)), nil)
		if err != nil || warn != (len(warnings) == 1) {
			t.Errorf("%o: warnings %v, %v", mode, warnings, err)
		}
		if warn && !strings.Contains(warnings[0].Error(), "signum.yaml:7: store.url_file: "+file+" has mode") {
			t.Errorf("%o: %v", mode, warnings[0])
		}
	}
}

// TestUnknownVariable: a typing error is told, what others set is not.
func TestUnknownVariable(t *testing.T) {
	_, warnings, err := Read("signum.yaml", []byte(minimal(t)), []string{
		"SIGNUM_LISTEN_MSS_ADRESS=127.0.0.1:1", "SIGNUM_SANDBOX=box", "SIGNUM_SERVICE_HOST=10.0.0.1", "SIGNUM_PORT_8443_TCP=x",
	})
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0].Error(), "SIGNUM_LISTEN_MSS_ADRESS: no key has this variable, did you mean SIGNUM_LISTEN_MSS_ADDRESS?") {
		t.Errorf("%v, %v", warnings, err)
	}
}

// FuzzRead: whatever a file holds, it is read or refused, and each refusal says
// why.
func FuzzRead(f *testing.F) {
	f.Add(Example())
	f.Add(uncommented())
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("listen: {<<: {mss: {}}, ? [a] : b}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := Default()
		d := decoder{source: "fuzz"}
		d.decode(data, &c)
		for _, p := range d.problems {
			if p.Error() == "" {
				t.Error("a problem without a text")
			}
		}
		_ = c.check()
	})
}
