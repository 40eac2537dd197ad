package node

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
)

// TestStreams: a client learns how many requests it may send at once on a connection.
func TestStreams(t *testing.T) {
	for configured, want := range map[int]uint32{0: 1000, 4321: 4321} {
		c := testConfig(t)
		c.Listen.Web.TLS = c.Listen.MSS.TLS
		if configured != 0 {
			c.Listen.MSS.Streams = configured
		}
		n := serve(t, c, Deps{})
		for addr, want := range map[string]uint32{n.MSSAddr(): want, n.listeners.web.Addr().String(): 250} {
			h := dialH2(t, addr)
			if got, err := h.mostStreams(); err != nil || got != want {
				t.Errorf("%d streams, %v; want %d", got, err, want)
			}
			h.Close()
		}
	}
}

// TestAttackManyStreams: a stranger has no more requests open on a connection than before
// the limit was raised for parties, and ends the connection by trying.
func TestAttackManyStreams(t *testing.T) {
	n := serve(t, opsConfig(t), Deps{})
	refused := func() int {
		t.Helper()
		_, text := get(t, n.OpsURL()+"/metrics")
		_, count, _ := strings.Cut(text, `signum_connections_refused_total{listener="mss",reason="streams"} `)
		var i int
		if _, err := fmt.Sscan(count, &i); err != nil {
			t.Fatal(err)
		}
		return i
	}
	party := clientCertificate(t)
	if err := n.Store.PutParty(t.Context(), &mssp.Party{ID: "mid://many", Pins: []mssp.Pin{mssp.PinOf(party.Certificate[0])}}); err != nil {
		t.Fatal(err)
	}
	const most = 250
	known := dialH2(t, n.MSSAddr(), party)
	defer known.Close()
	_ = known.SetDeadline(time.Now().Add(held))
	for range most + 50 {
		known.request("POST", "/rest/service/sign", true) // the body never comes
	}
	last := known.request("GET", "/rest/openapi.yaml", false)
	if got, err := known.answered(); err != nil || got != last {
		t.Errorf("a party: stream %d is answered, %v; want %d", got, err, last)
	}
	if i := refused(); i != 0 {
		t.Errorf("%d requests of a party were refused", i)
	}
	stranger := dialH2(t, n.MSSAddr())
	defer stranger.Close()
	_ = stranger.SetDeadline(time.Now().Add(held))
	for range most + 1 {
		stranger.request("POST", "/rest/service/sign", true)
	}
	if _, err := stranger.answered(); err != nil {
		t.Error(err)
	}
	if i := refused(); i != 1 {
		t.Errorf("%d of %d requests of a stranger were refused, want 1", i, most+1)
	}
}
