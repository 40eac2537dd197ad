package smpp

import (
	"bytes"
	"context"
	"embed"
	"encoding/hex"
	"errors"
	"io/fs"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/testkit"
)

//go:embed testdata/node
var nodeFiles embed.FS

// nodeModules is a directory with the script and the packages of its lock file.
func nodeModules(t *testing.T) string {
	t.Helper()
	files, err := fs.Sub(nodeFiles, "testdata/node")
	if err != nil {
		t.Fatal(err)
	}
	return testkit.NodePackages(t, "smsc", files)
}

// node is the npm package as SMSC.
type node struct {
	*testkit.Peer
	t    *testing.T
	addr string
}

func startNode(t *testing.T) *node {
	t.Helper()
	n := &node{Peer: testkit.StartPeer(t, nodeModules(t), "node", "smsc.js"), t: t}
	port := n.Wait("listening")["port"].(float64)
	n.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port)))
	return n
}

// The client against the npm package smpp as SMSC.
func TestNode(t *testing.T) {
	n := startNode(t)
	delivered := make(chan *DeliverSM, 10)
	c, err := NewClient(ClientConfig{
		Addr: n.addr, SystemID: "signum", Password: "secret", EnquireLink: 300 * time.Millisecond, MinBackoff: 50 * time.Millisecond,
		Deliver: func(_ context.Context, d *DeliverSM, _ *event.Event) Status {
			delivered <- d
			return Status(len(d.ShortMessage)) % 3
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ran := make(chan struct{})
	go func() { defer close(ran); _ = c.Run(ctx) }()

	if e := n.Wait("bind"); e["id"] != "signum" || e["version"] != float64(version3_4) {
		t.Errorf("%v", e)
	}
	n.submits(c)
	n.delivers(delivered)
	n.Wait("enquire_link") // from the client
	n.Do(map[string]any{"do": "enquire_link"})
	n.Wait("enquire_link_resp")

	n.Do(map[string]any{"do": "unbind"})
	n.Wait("unbind_resp")
	n.Wait("bind") // a second time
	n.Do(map[string]any{"do": "cut"})
	n.Wait("bind")
	if _, err := c.Submit(within(time.Minute), hello); err != nil {
		t.Error(err)
	}
	cancel()
	n.Wait("unbind")
	<-ran

	stranger := run(t, ClientConfig{Addr: n.addr, SystemID: "signum", Password: "wrong"})
	if e := n.Wait("bind"); e["ok"] != false {
		t.Errorf("%v", e)
	}
	if _, err := stranger.Submit(within(200*time.Millisecond), hello); !errors.Is(err, ErrUnbound) {
		t.Errorf("with a wrong password: %v", err)
	}
}

func (n *node) submits(c *Client) {
	n.t.Helper()
	m := &SubmitSM{
		Source: Address{NPI: 1, Addr: "555"}, Dest: Address{1, 1, "41791234567"}, ESMClass: UDHI | ModeTransaction, ProtocolID: 0x7f,
		Validity: RelativeTime(time.Minute), RegisteredDelivery: 1, DataCoding: 0xf6, ShortMessage: []byte{2, 0x70, 0, 0, 0x28, 0xff},
	}
	for _, long := range []bool{false, true} {
		if long {
			m.ShortMessage = append(m.ShortMessage, make([]byte, 1000)...)
		}
		id, err := c.Submit(within(time.Minute), m)
		if err != nil || len(id) < 6 || id[:5] != "node-" {
			n.t.Errorf("id %q, %v", id, err)
		}
		e := n.Wait("submit_sm")
		if e["message"] != hex.EncodeToString(m.ShortMessage) || e["payload"] != long {
			n.t.Errorf("node has %v", e)
		}
		for name, want := range map[string]any{"from": "555", "to": "41791234567", "ton": 1.0, "npi": 1.0, "esm_class": 66.0, "protocol_id": 127.0, "data_coding": 246.0, "registered": 1.0} {
			if e[name] != want {
				n.t.Errorf("%s is %v, want %v", name, e[name], want)
			}
		}
	}
	refused := *hello
	refused.Dest.Addr = "41790000000"
	if _, err := c.Submit(within(time.Minute), &refused); !errors.Is(err, StatusInvalidDst) {
		n.t.Errorf("unknown destination: %v", err)
	}
	refused.Dest.Addr = "41790000001"
	if _, err := c.Submit(within(time.Minute), &refused); !errors.Is(err, StatusThrottled) {
		n.t.Errorf("throttled once: %v", err)
	}
	if _, err := c.Submit(within(time.Minute), &refused); err != nil {
		n.t.Errorf("no longer throttled: %v", err)
	}
}

func (n *node) delivers(delivered <-chan *DeliverSM) {
	n.t.Helper()
	for _, m := range [][]byte{{2, 0x71, 0, 1, 2, 3}, {2, 0x71, 0, 1, 2, 3, 4}, bytes.Repeat([]byte{2, 0x71, 0, 9}, 100)} {
		n.Do(map[string]any{"do": "deliver_sm", "esm_class": UDHI, "data_coding": 4, "message": hex.EncodeToString(m), "payload": len(m) > maxShort})
		select {
		case d := <-delivered:
			if !bytes.Equal(d.ShortMessage, m) || d.ESMClass != UDHI || d.Source != (Address{1, 1, "41791234567"}) || len(d.TLVs) != 0 {
				n.t.Errorf("%+v", d)
			}
		case <-time.After(time.Minute):
			n.t.Fatal("no deliver_sm")
		}
		if e := n.Wait("deliver_sm_resp"); e["status"] != float64(len(m)%3) {
			n.t.Errorf("%v", e)
		}
	}
}
