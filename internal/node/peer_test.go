package node

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/testkit"
)

// npmSMSC is the npm package smpp as SMSC.
type npmSMSC struct {
	*testkit.Peer
	config.SMSC // how to bind to it
}

// startNPM starts one; its options are in testdata/node/smsc.js of package smpp.
func startNPM(t *testing.T, name string, options map[string]any) *npmSMSC {
	t.Helper()
	if options == nil {
		options = make(map[string]any)
	}
	options["name"] = name
	arg, err := json.Marshal(options)
	if err != nil {
		t.Fatal(err)
	}
	dir := testkit.NodePackages(t, "smsc", os.DirFS(filepath.Join("..", "smpp", "testdata", "node")))
	p := testkit.StartPeer(t, dir, "node", "smsc.js", string(arg))
	return &npmSMSC{p, testSMSC(name, fmt.Sprintf("127.0.0.1:%v", p.Wait("listening")["port"]))}
}

// withPeers runs a node with SMSCs.
func withPeers(t *testing.T, change func(*config.Config), list ...config.SMSC) (*Node, *testkit.Buffer) {
	t.Helper()
	c := withSMSCs(opsConfig(t), list...)
	if change != nil {
		change(&c)
	}
	log := new(testkit.Buffer)
	return serve(t, c, Deps{Logger: slog.New(slog.NewTextHandler(log, nil))}), log
}

// awaitLog waits until a line of the log has all the texts.
func awaitLog(t *testing.T, log *testkit.Buffer, texts ...string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
		for line := range strings.Lines(log.String()) {
			found := true
			for _, s := range texts {
				found = found && strings.Contains(line, s)
			}
			if found {
				return
			}
		}
	}
	t.Fatalf("no line with %q:\n%s", texts, log)
}

// awaitReady waits until readyz has a text.
func awaitReady(t *testing.T, n *Node, text string) {
	t.Helper()
	body := ""
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if _, body = get(t, n.OpsURL()+"/readyz?verbose"); strings.Contains(body, text) {
			return
		}
	}
	t.Fatalf("readyz does not say %q:\n%s", text, body)
}

// issuer makes certificates in PEM files of a directory.
type issuer struct {
	t    *testing.T
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	file string // its own certificate
}

func newIssuer(t *testing.T, name string) *issuer {
	i := &issuer{t: t, dir: t.TempDir(), key: testkit.ECKey(t)}
	i.cert = &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	i.file = i.write(name, "CERTIFICATE", i.sign(i.cert, i.key))
	return i
}

func (i *issuer) sign(c *x509.Certificate, key *ecdsa.PrivateKey) []byte {
	i.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, i.cert, key.Public(), i.key)
	if err != nil {
		i.t.Fatal(err)
	}
	return der
}

func (i *issuer) write(name, kind string, der []byte) string {
	i.t.Helper()
	path := filepath.Join(i.dir, name+".pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		i.t.Fatal(err)
	}
	return path
}

// pair returns the files of a certificate for a DNS name, and of its key.
func (i *issuer) pair(name string, use x509.ExtKeyUsage) config.KeyPair {
	i.t.Helper()
	key := testkit.ECKey(i.t)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		i.t.Fatal(err)
	}
	cert := i.sign(&x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{use}}, key)
	return config.KeyPair{CertificateFile: i.write(name, "CERTIFICATE", cert), KeyFile: i.write(name+"-key", "PRIVATE KEY", der)}
}

func content(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func sendText(t *testing.T, n *Node, text string) error {
	t.Helper()
	return n.SIMs.SendText(t.Context(), mssp.TextMessage{MSISDN: "+41791234567", Text: text})
}

// TestNPMTLS: over TLS the SMSC and this service identify each other by certificates.
// Without the right CA, server name or client certificate there is no session.
func TestNPMTLS(t *testing.T) {
	theirs, ours := newIssuer(t, "theirs"), newIssuer(t, "ours")
	server := theirs.pair("smsc.example.com", x509.ExtKeyUsageServerAuth)
	client := ours.pair("signum.example.com", x509.ExtKeyUsageClientAuth)
	peer := startNPM(t, "main", map[string]any{"key": content(t, server.KeyFile), "cert": content(t, server.CertificateFile), "ca": content(t, ours.file)})
	good := config.PeerTLS{Enabled: true, CAFile: theirs.file, CertificateFile: client.CertificateFile, KeyFile: client.KeyFile, ServerName: "smsc.example.com"}
	peer.TLS = good
	n, _ := withPeers(t, nil, peer.SMSC)
	if err := sendText(t, n, "over TLS"); err != nil {
		t.Fatal(err)
	}
	if e := peer.Wait("submit_sm"); e["to"] != "41791234567" {
		t.Errorf("%v", e)
	}
	for name, wrong := range map[string]struct {
		tls config.PeerTLS
		log string
	}{
		"another CA":     {config.PeerTLS{Enabled: true, CAFile: ours.file, CertificateFile: client.CertificateFile, KeyFile: client.KeyFile, ServerName: good.ServerName}, "certificate signed by unknown authority"},
		"another name":   {config.PeerTLS{Enabled: true, CAFile: theirs.file, CertificateFile: client.CertificateFile, KeyFile: client.KeyFile}, "doesn't contain any IP SANs"},
		"no certificate": {config.PeerTLS{Enabled: true, CAFile: theirs.file, ServerName: good.ServerName}, "certificate required"},
		"no TLS":         {config.PeerTLS{}, "SMPP session ended"},
	} {
		t.Run(name, func(t *testing.T) {
			peer.TLS = wrong.tls
			n, log := withPeers(t, nil, peer.SMSC)
			awaitLog(t, log, "SMPP session ended", "smsc=main", wrong.log)
			if n.smscs.Bound() != 0 {
				t.Error("bound")
			}
		})
	}
}

// TestNPMTransmitterAndReceiver: with an SMSC that refuses transceivers, messages go out
// by the transmitter and come in by the receiver.
func TestNPMTransmitterAndReceiver(t *testing.T) {
	peer := startNPM(t, "main", map[string]any{"separate": true})
	peer.Transmitters, peer.Receivers, peer.SystemType = 1, 1, "OTA"
	n, _ := withPeers(t, nil, peer.SMSC)
	awaitReady(t, n, "[+] main: 2 of 2 sessions bound\n")
	if err := sendText(t, n, "by a transmitter"); err != nil {
		t.Fatal(err)
	}
	if e := peer.Wait("submit_sm"); e["mode"] != "bind_transmitter" {
		t.Errorf("%v", e)
	}
	peer.Do(map[string]any{"do": "deliver_sm", "esm_class": 0x40, "data_coding": 4, "message": "027100010203"})
	if e := peer.Wait("deliver_sm_resp"); e["status"] != 0.0 {
		t.Errorf("%v", e)
	}
}

// TestNPMFailover: when the SMSC is lost, messages go by the standby, and by the first
// one again when it is back.
func TestNPMFailover(t *testing.T) {
	north, south := startNPM(t, "north", nil), startNPM(t, "south", nil)
	south.Weight = 0
	n, log := withPeers(t, nil, north.SMSC, south.SMSC)
	takes := func(p *npmSMSC, text string) {
		t.Helper()
		if err := sendText(t, n, text); err != nil {
			t.Fatal(err)
		}
		if e := p.Wait("submit_sm"); e["message"] != fmt.Sprintf("%x", text) {
			t.Errorf("%v instead of %s", e, text)
		}
	}
	awaitReady(t, n, "[+] north: 1 of 1 sessions bound\n    [+] south: 1 of 1 sessions bound\n")
	takes(north, "both are there")
	north.Do(map[string]any{"do": "away"})
	awaitLog(t, log, "SMPP session ended", "smsc=north")
	takes(south, "north is away")
	if status, body := get(t, n.OpsURL()+"/readyz?verbose"); status != 200 || !strings.Contains(body, "[-] north: 0 of 1 sessions bound\n") {
		t.Errorf("readyz: %d %s", status, body)
	}
	north.Do(map[string]any{"do": "back"})
	awaitReady(t, n, "[+] north: 1 of 1")
	takes(north, "north is back")
}
