package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

func jsonUnmarshal(b []byte, v any) error { return json.Unmarshal(b, v) }

// BenchmarkDelivery measures from Send to the frame at the App, over loopback.
func BenchmarkDelivery(b *testing.B) {
	w := newWorld(b)
	p := w.enrol(alice)
	in := p.connect()
	in.welcome()
	now := w.clock.Now()
	r := mssp.DeviceRequest{
		Op: mssp.OpDisplay, MSISDN: alice, DeviceID: p.device, Method: signum.App, Lang: "en", MimeType: "text/plain",
		Text: "Pay?", Created: now, Expires: now.Add(time.Minute),
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r.TransID = fmt.Sprintf("h%d", i)
		if err := w.server.Send(context.Background(), r); err != nil {
			b.Fatal(err)
		}
		for kind := ""; kind != "request"; { // skip the gone of the request before
			_, data, err := in.ws.Read(context.Background())
			if err != nil {
				b.Fatal(err)
			}
			var m struct{ Type string }
			if err := json.Unmarshal(data, &m); err != nil {
				b.Fatal(err)
			}
			kind = m.Type
		}
		w.server.Cancel(context.Background(), withdrawal(p, r.TransID))
	}
}

// BenchmarkConnections reports the memory that an idle inbox costs the service:
// heap and stacks. The clients are bare sockets, whose own cost is negligible.
func BenchmarkConnections(b *testing.B) {
	const n = 2000
	for range b.N {
		w := newWorld(b)
		phones := make([]*phone, n)
		for i := range phones {
			phones[i] = w.enrol(alice)
		}
		before := inUse()
		for _, p := range phones {
			c := p.bareInbox(b)
			defer c.Close()
		}
		b.ReportMetric(float64(inUse()-before)/n, "B/conn")
		if w.server.Connected() != n {
			b.Fatalf("%d connections", w.server.Connected())
		}
	}
}

// bareInbox opens an inbox and reads its sync through a bare socket.
func (p *phone) bareInbox(t testing.TB) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.w.http.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	hello := `{"type":"hello","proof":"` + p.proof("GET", "/app/v2/inbox", nil) + `"}`
	frame := []byte{0x81, 0x80 | 126, byte(len(hello) >> 8), byte(len(hello)), 0, 0, 0, 0} // the mask is zero
	for _, step := range []struct{ say, until string }{
		{"GET /app/v2/inbox HTTP/1.1\r\nHost: signum\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", "\r\n\r\n"},
		{string(frame) + hello, `"requests":[]}`},
	} {
		if _, err := c.Write([]byte(step.say)); err != nil {
			t.Fatal(err)
		}
		var heard []byte
		for buf := make([]byte, 512); !bytes.Contains(heard, []byte(step.until)); {
			n, err := c.Read(buf)
			if err != nil {
				t.Fatalf("%v after %q", err, heard)
			}
			heard = append(heard, buf[:n]...)
		}
	}
	return c
}

func inUse() uint64 {
	for range 5 { // stacks shrink by halves
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
