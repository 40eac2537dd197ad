package sandbox

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/testkit"
)

// TestStopUnused: connections without a request, such as browsers open in advance, do not keep the
// service from stopping.
func TestStopUnused(t *testing.T) {
	t.Parallel()
	box, stop := runUntil(t, Config{})
	for _, url := range []string{box.Info.BaseURL, box.PKIURL(), box.WebURL()} {
		c, err := net.Dial("tcp", url[strings.Index(url, "//")+2:])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	for _, proto := range []string{"http/1.1", "h2"} {
		c, err := tls.Dial("tcp", box.MSSAddr(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{proto}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	stop() // which fails if it takes too long
}

func TestInternalError(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	msisdn := f.addUser(person.Approve, signum.SIM)
	// Sign first, so that recovery is over: if the store closed before, the node would end.
	f.sign(t, "rest", f.request(msisdn))
	if err := f.Store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, wire := range wires {
		_, err := f.clients[wire].Do(t.Context(), f.request(msisdn))
		flt := signum.AsFault(err)
		if flt == nil || flt.Code != 900 || !strings.HasPrefix(flt.Detail, "Unknown Error (trace ") {
			t.Errorf("%s: got %v", wire, err)
		}
	}
}

// TestStop: when the service stops, waiting requests are answered, and their transactions continue
// at the next start.
func TestStop(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	box, stop := runUntil(t, Config{Dir: dir})
	f := &fixture{t: t, Sandbox: box, clock: testkit.RunningClock()}
	var err error
	if f.party, err = client.LoadSandbox(dir); err != nil {
		t.Fatal(err)
	}
	msisdn := Users()[0].MSISDN
	if err := f.Behave(msisdn, person.Behaviour{Do: person.Silent}); err != nil {
		t.Fatal(err)
	}
	c := f.client("rest", f.party.Config.TLS)
	waits := make(chan error, 1)
	go func() {
		_, err := c.Do(context.Background(), f.request(msisdn))
		waits <- err
	}()
	for {
		ts, err := f.Store.OutstandingTransactions(t.Context(), time.Now(), "", 10)
		if err != nil {
			t.Fatal(err)
		}
		if len(ts) == 1 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	stop()
	if err := <-waits; !errors.Is(err, &signum.Fault{Code: 900, Detail: "The service is stopping"}) {
		t.Errorf("got %v", err)
	}

	// The same directory, with its keys and data; now the phone approves.
	again := run(t, Config{Dir: dir})
	deadline := time.Now().Add(2 * time.Minute)
	for {
		ts, err := again.Store.OutstandingTransactions(t.Context(), time.Now(), "", 10)
		if err != nil {
			t.Fatal(err)
		}
		if len(ts) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the transaction is still outstanding")
		}
		time.Sleep(time.Millisecond)
	}
}
