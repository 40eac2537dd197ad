package smpp

import (
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// deaf is a connection that accepts writes and never sends anything.
type deaf struct {
	net.Conn
	mute atomic.Bool
}

func (d *deaf) Read(b []byte) (int, error) {
	for {
		n, err := d.Conn.Read(b)
		if err != nil || !d.mute.Load() {
			return n, err
		}
	}
}

func TestSilentServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var conns []*deaf
		p := &pair{}
		pipes := newPipes()
		pipes.wrap = func(c net.Conn) net.Conn {
			d := &deaf{Conn: c}
			conns = append(conns, d)
			return d
		}
		p = newPairOn(t, pipes, ClientConfig{EnquireLink: 20 * time.Second, ResponseTimeout: 5 * time.Second}, ServerConfig{EnquireLink: time.Hour})
		defer p.close()
		p.bound(1)
		start := time.Now()
		time.Sleep(10 * time.Minute) // enquire_link keeps it alive
		if p.net.count() != 1 || p.client.Bound() != 1 {
			t.Fatalf("%d dials, %d bound", p.net.count(), p.client.Bound())
		}
		conns[0].mute.Store(true)
		for p.net.count() == 1 {
			time.Sleep(time.Second)
		}
		if d := time.Since(start) - 10*time.Minute; d > 26*time.Second {
			t.Errorf("noticed after %v", d)
		}
		p.bound(1)
	})
}

func TestSilentClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := serve(t, ServerConfig{EnquireLink: 20 * time.Second, ResponseTimeout: 5 * time.Second})
		defer s.Close()
		c.bind(CmdBindTransceiver)
		start := time.Now()
		if p := c.read(); p.Command() != CmdEnquireLink || time.Since(start) != 20*time.Second {
			t.Errorf("%v after %v", p.Command(), time.Since(start))
		}
		if _, err := c.Conn.Read(make([]byte, 1)); err != io.EOF || time.Since(start) != 25*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// A peer that answers enquire_link with another sequence number is alive.
func TestWrongSequenceIsNoSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := serve(t, ServerConfig{EnquireLink: 20 * time.Second, ResponseTimeout: 5 * time.Second})
		defer s.Close()
		c.bind(CmdBindTransceiver)
		for range 10 {
			p := c.read()
			if p.Command() != CmdEnquireLink {
				t.Fatal(p.Command())
			}
			c.write(PDU{Sequence: p.Sequence + 1000, Body: EnquireLinkResp{}})
		}
		go func() { _, _ = c.next() }() // the unbind of Close
	})
}
