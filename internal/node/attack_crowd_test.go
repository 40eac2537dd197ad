package node

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/testkit"
)

// dialFrom connects from one of the addresses of this machine, 127.0.0.N.
func dialFrom(t *testing.T, host byte, addr string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, host)}}
	c, err := d.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		testkit.Missing(t, "this machine has one address on loopback only: %v", err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(held))
	return c
}

// ask sends a request over a connection and returns the status of the answer.
func ask(c net.Conn, method, path, body string) (int, error) {
	fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", method, path, len(body), body)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// closed waits until the other side has closed a connection.
func closed(c net.Conn) bool {
	_, err := io.Copy(io.Discard, c)
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// TestAttackManyConnections: one address gets as many connections as it may have, busy
// ones included, and another address is served meanwhile.
func TestAttackManyConnections(t *testing.T) {
	const most, strangers = 20, 400
	c := opsConfig(t)
	c.Listen.Web.Connections.Max, c.Listen.Web.Connections.PerAddress = 2*most, most
	n := serve(t, c, Deps{})
	addr := n.addresses()["web"]
	var gone sync.WaitGroup
	for i := range strangers {
		s := dialFrom(t, 1, addr)
		// A body that never comes.
		fmt.Fprintf(s, "POST /app/v2/enrol/begin HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n")
		if i < most { // the handler waits for the body: the connection is not idle
			if line, err := bufio.NewReader(s).ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
				t.Fatalf("connection %d: %q, %v", i, line, err)
			}
		} else {
			gone.Go(func() {
				if !closed(s) {
					t.Error("a connection is still open")
				}
			})
		}
	}
	gone.Wait()
	if open := n.doors.web.Open(); open > most {
		t.Errorf("%d connections are open, want at most %d", open, most)
	}
	if status, err := ask(dialFrom(t, 2, addr), "GET", "/phone", ""); status != http.StatusOK {
		t.Errorf("another address: %d, %v", status, err)
	}
	_, text := get(t, n.OpsURL()+"/metrics")
	if want := fmt.Sprintf(`signum_connections_refused_total{listener="web",reason="address"} %d`, strangers-most); !strings.Contains(text, want) {
		t.Errorf("no %s in\n%s", want, text)
	}
}

// TestAllConnections: strangers from many addresses take all connections of a
// listener. The other listeners do not notice, and an address without a connection
// still gets one.
func TestAllConnections(t *testing.T) {
	c := opsConfig(t)
	c.Listen.PKI.Connections.Max, c.Listen.PKI.Connections.PerAddress = 40, 8
	n := serve(t, c, Deps{})
	pki := n.addresses()["pki"]
	for host := range byte(10) {
		for range 8 {
			s := dialFrom(t, 10+host, pki)
			_, _ = ask(s, "GET", "/nowhere", "") // it keeps the connection, or was refused
		}
	}
	if open := n.doors.pki.Open(); open > 40 {
		t.Errorf("%d connections are open, want at most 40", open)
	}
	if status, err := ask(dialFrom(t, 99, pki), "GET", "/crl/issuing.crl", ""); status != http.StatusOK {
		t.Errorf("a new address: %d, %v", status, err)
	}
	mss := tls.Client(dialFrom(t, 1, n.MSSAddr()), &tls.Config{InsecureSkipVerify: true})
	if status, err := ask(mss, "POST", "/rest/service/sign", "{}"); status != http.StatusInternalServerError {
		t.Errorf("the listener of parties: %d, %v", status, err)
	}
}

// partyCertificate is that of a party that the node knows.
func partyCertificate(t *testing.T, n *Node) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Store.PutParty(t.Context(), &mssp.Party{ID: "mid://bank", Pins: []mssp.Pin{mssp.PinOf(der)}}); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestAttackStrangersAtPartyAddress: the connections of a party do not count against
// its address, even where strangers use up what the address may have.
func TestAttackStrangersAtPartyAddress(t *testing.T) {
	const most = 3
	c := testConfig(t)
	c.Listen.MSS.Connections.PerAddress = most
	n, err := New(t.Context(), c, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	cert := partyCertificate(t, n)
	run(t, n)
	connect := func(certs ...tls.Certificate) net.Conn {
		return tls.Client(dialFrom(t, 1, n.MSSAddr()), &tls.Config{InsecureSkipVerify: true, Certificates: certs})
	}
	var strangers []net.Conn
	for range most {
		s := connect()
		if status, err := ask(s, "GET", "/nowhere", ""); status != http.StatusNotFound {
			t.Fatalf("a stranger: %d, %v", status, err)
		}
		strangers = append(strangers, s)
	}
	var parties []net.Conn
	for i := range 3 * most {
		parties = append(parties, connect(cert))
		if status, err := ask(parties[i], "GET", "/nowhere", ""); status != http.StatusNotFound {
			t.Fatalf("connection %d of the party: %d, %v", i, status, err)
		}
	}
	if !closed(strangers[0]) {
		t.Error("no stranger made room")
	}
	for i, p := range parties {
		if status, err := ask(p, "GET", "/nowhere", ""); status != http.StatusNotFound {
			t.Errorf("connection %d of the party, later: %d, %v", i, status, err)
		}
	}
}
