package faults

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/lab/handset"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/phones"
	"github.com/signum-mssp/signum/internal/lab/smsc"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/node"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/simcards"
	"github.com/signum-mssp/signum/internal/testkit"
)

// longer is added to each fault. Without it, a fault ends when everything about it was seen.
var longer = flag.Duration("longer", 0, "how much longer each fault lasts")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	party  = "mid://faults.example"
	secret = "secret"
)

// world is a node with its mobile network. The clock of the node runs with the machine's,
// and can be set forward, so that a time-out costs no time.
type world struct {
	t        testing.TB
	node     *node.Node
	clock    *testkit.Clock
	log      *testkit.Buffer
	cert     tls.Certificate // of the node and of the party
	config   config.Config
	handsets *handset.Network
	air      *line // between the node and the SMSC
	client   *client.Client
	shown    counts // requests that phones showed
	stop     func() error
}

// newWorld starts a node on a database, with users who have SIMs that are activated.
func newWorld(t testing.TB, url string, users int, changes ...func(*config.Config)) *world {
	t.Helper()
	w := &world{t: t, clock: testkit.RunningClock(), log: new(testkit.Buffer)}
	cards := w.newNetwork(users)
	w.cert = certificate(t)
	w.config = configuration(t, url, w.cert, w.air.addr())
	for _, change := range changes {
		change(&w.config)
	}
	w.start("first")
	w.addParty()
	if sum, err := w.node.Cards.Import(t.Context(), cards, simcards.ImportOptions{PlainKeys: true}); err != nil || sum.New != users {
		t.Fatalf("%+v, %v", sum, err)
	}
	for i := range users {
		if err := w.sign(number(i), long); err != nil {
			t.Fatalf("activation of %s: %v\n%s", number(i), err, w.logged())
		}
	}
	return w
}

func number(i int) string { return fmt.Sprintf("+4179600%04d", i) }

// newNetwork makes the SMSC and the handsets, and returns the file of cards.
func (w *world) newNetwork(users int) io.Reader {
	log := slog.New(slog.DiscardHandler)
	w.handsets = handset.New(handset.Config{Observe: func(e person.Event) {
		if e.Kind == person.Shown {
			w.shown.add(e.MSISDN)
		}
	}})
	w.t.Cleanup(w.handsets.Close)
	file := bytes.NewBufferString(cardColumns)
	for i := range users {
		w.insertCard(file, i, signum.EC)
	}
	s, err := smsc.New(smsc.Config{
		Credentials: map[string]string{"signum": secret}, Radio: phones.Air{Network: w.handsets}, Logger: log, RetryPause: 50 * time.Millisecond,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(s.Close)
	w.handsets.Connect(s.Submit)
	w.air = newLine(w.t, s.Addr())
	return file
}

const cardColumns = "iccid,msisdn,key_set,algorithm,kic,kid,key_type\n"

// insertCard puts a new SIM card into the phone of a user, and appends it to a file of cards.
func (w *world) insertCard(file *bytes.Buffer, user int, kind signum.KeyType) {
	w.t.Helper()
	iccid, kic, kid := card.NewICCID(number(user)[1:]), make([]byte, 16), make([]byte, 16)
	rand.Read(kic)
	rand.Read(kid)
	fmt.Fprintf(file, "%s,%s,1,AES,%x,%x,%s\n", iccid, number(user), kic, kid, kind)
	c, err := card.New(card.Config{ICCID: iccid, Keys: scp80.Keys{KIc: kic, KID: kid}, KeySet: 1, KeyType: kind, Blank: true})
	if err == nil {
		err = w.handsets.Insert("card-"+iccid, number(user), c)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// configuration is that of a production node, on free ports, with time-outs of a second.
func configuration(t testing.TB, url string, cert tls.Certificate, smscAddr string) config.Config {
	t.Helper()
	dir := t.TempDir()
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	pemFile := filepath.Join(dir, "server.pem")
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	if err := os.WriteFile(pemFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	c := config.Default()
	c.Service.MSSPURI = "http://mss.example.com/"
	c.Listen.MSS.Address, c.Listen.Web.Address, c.Listen.PKI.Address, c.Listen.Ops.Address = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	c.Listen.MSS.TLS = config.KeyPair{CertificateFile: pemFile, KeyFile: pemFile}
	c.Store.URL = config.NewSecret(url)
	c.CA.Directory, c.CA.Create = filepath.Join(dir, "ca"), true
	s := config.DefaultSMSC()
	s.Name, s.Address, s.SystemID, s.Password = "main", config.Address(smscAddr), "signum", config.NewSecret(secret)
	c.SIM.SMSCs, c.SIM.ServiceNumber, c.SIM.MasterKey = []config.SMSC{s}, "41790000500", config.NewSecret(strings.Repeat("0f1e", 16))
	c.Engine.MinTimeout, c.Drain = time.Second, config.Drain{}
	c.Limits.Party.OneNumber, c.Limits.Number.Requests = config.Rate{PerMinute: 10_000, Burst: 10_000}, config.Rate{PerMinute: 10_000, Burst: 10_000}
	return c
}

// start starts a node of the configuration, in a place of that name.
func (w *world) start(place string) {
	w.t.Helper()
	var err error
	w.node, err = node.New(w.t.Context(), w.config, node.Deps{Clock: w.clock, Logger: slog.New(slog.NewTextHandler(w.log, nil)), Place: place})
	if err != nil {
		w.t.Fatal(err)
	}
	w.run()
}

// run runs the node until the test ends, or stop is called.
func (w *world) run() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.node.Run(ctx) }()
	stopped := false
	w.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-ended
	}
	w.t.Cleanup(func() {
		if err := errors.Join(w.stop(), w.node.Close()); err != nil {
			w.t.Error(err)
		}
	})
	w.eventually("the node is ready", func() bool { return w.ready() == "" })
}

func (w *world) addParty() {
	w.t.Helper()
	p := &mssp.Party{ID: party, Pins: []mssp.Pin{mssp.PinOf(w.cert.Certificate[0])}, Profiles: signum.SignatureProfiles,
		AuthProfile1: signum.ProfileAnyLoA4, DefaultLang: "en", AutoActivation: true}
	if err := w.node.Store.PutParty(w.t.Context(), p); err != nil {
		w.t.Fatal(err)
	}
	w.connect()
}

// connect makes the client of the party.
func (w *world) connect() {
	w.t.Helper()
	var err error
	w.client, err = client.New(client.Config{
		BaseURL: "https://" + w.node.MSSAddr(), APID: party, Now: w.clock.Now, RequestTimeout: patience,
		TLS: &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{w.cert}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(w.client.Close)
}

// certificate serves both the node and the party.
func certificate(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// patience is how long anything may take on a machine that has other work to do.
const patience = time.Minute

// logged returns the end of the log.
func (w *world) logged() string {
	lines := strings.SplitAfter(w.log.String(), "\n")
	return strings.Join(lines[max(0, len(lines)-30):], "")
}

// eventually waits until something is the case.
func (w *world) eventually(what string, holds func() bool) {
	w.t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("%s: never\n%s", what, w.logged())
		}
	}
}

// ready returns what /readyz complains about.
func (w *world) ready() string {
	status, body := w.get("/readyz?verbose")
	if status == http.StatusOK {
		return ""
	}
	return body
}

// metric reports whether /metrics has a line.
func (w *world) metric(line string) bool {
	_, body := w.get("/metrics")
	return strings.Contains(body, "\n"+line+"\n")
}

func (w *world) get(path string) (status int, body string) {
	return w.fetch(plain, w.node.OpsURL()+path)
}

// fetch returns 0 and the error if there is no answer.
func (w *world) fetch(by *http.Client, address string) (status int, body string) {
	resp, err := by.Get(address)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

// plain keeps no connections.
var plain = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}

// of lets the world report to another test, until the function that it returns is called.
func (w *world) of(t testing.TB) (back func()) {
	outer := w.t
	w.t = t
	return func() { w.t = outer }
}
