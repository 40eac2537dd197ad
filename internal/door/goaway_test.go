package door

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// frames is a client of HTTP/2 that sends and reads frames as a test wants.
type frames struct {
	*tls.Conn
	t    *testing.T
	next uint32 // stream
}

func (o *opened) frames() *frames {
	o.t.Helper()
	c, err := tls.Dial("tcp", o.addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { c.Close() })
	f := &frames{Conn: c, t: o.t, next: 1}
	f.write([]byte(h2Preface))
	f.frame(4, 0, 0, nil) // SETTINGS
	return f
}

func (f *frames) write(p []byte) {
	if _, err := f.Write(p); err != nil {
		f.t.Error(err)
	}
}

func (f *frames) frame(kind, flags byte, stream uint32, payload []byte) {
	f.write(slices.Concat(binary.BigEndian.AppendUint32([]byte{0, 0, byte(len(payload)), kind, flags}, stream), payload))
}

// get sends GET on a new stream.
func (f *frames) get(path string) (stream uint32) {
	var block []byte
	for _, h := range [][2]string{{":method", "GET"}, {":path", path}, {":scheme", "https"}, {":authority", "localhost"}} {
		block = append(append(append(append(block, 0, byte(len(h[0]))), h[0]...), byte(len(h[1]))), h[1]...)
	}
	stream = f.next
	f.next += 2
	f.frame(1, 1|4, stream, block) // HEADERS, END_STREAM and END_HEADERS
	return stream
}

// await reads until a frame of a kind, and returns its stream and payload.
func (f *frames) await(kind byte) (stream uint32, payload []byte) {
	f.t.Helper()
	for {
		head := make([]byte, frameHead)
		if _, err := io.ReadFull(f, head); err != nil {
			f.t.Fatalf("no frame of type %d: %v", kind, err)
		}
		payload = make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(f, payload); err != nil {
			f.t.Fatal(err)
		}
		if head[3] == kind {
			return binary.BigEndian.Uint32(head[5:]), payload
		}
	}
}

// TestGoAway: the first GOAWAY is for all streams, and a request that was on its way is
// answered. The second names the last stream.
func TestGoAway(t *testing.T) {
	t.Parallel()
	o := openDoor(t, nil)
	f := o.frames()
	f.get("/wait")
	<-o.entered
	o.Farewell()
	if _, p := f.await(7); !bytes.Equal(p, goAway[frameHead:]) {
		t.Errorf("the first GOAWAY: %x", p)
	}
	f.get("/wait")
	<-o.entered
	drained := make(chan error, 1)
	go func() { drained <- o.Drain(t.Context()) }()
	if _, p := f.await(7); len(p) != 8 || binary.BigEndian.Uint32(p) != 3 || binary.BigEndian.Uint32(p[4:]) != 0 {
		t.Errorf("the second GOAWAY: %x", p)
	}
	f.get("/wait") // is dropped
	close(o.answer)
	one, _ := f.await(1)
	two, _ := f.await(1)
	if one+two != 1+3 {
		t.Errorf("answers on the streams %d and %d", one, two)
	}
	if err := errors.Join(<-drained, o.stop()); err != nil {
		t.Error(err)
	}
	if len(o.entered) > 0 {
		t.Error("a request after the second GOAWAY was served")
	}
}

// TestDrainWithoutFarewell: the first GOAWAY comes before the second, too.
func TestDrainWithoutFarewell(t *testing.T) {
	t.Parallel()
	o := openDoor(t, nil)
	f := o.frames()
	f.get("/wait")
	<-o.entered
	drained := make(chan error, 1)
	go func() { drained <- o.Drain(t.Context()) }()
	_, first := f.await(7)
	_, second := f.await(7)
	if !bytes.Equal(first, goAway[frameHead:]) || binary.BigEndian.Uint32(second) != 1 {
		t.Errorf("%x, %x", first, second)
	}
	close(o.answer)
	if err := errors.Join(<-drained, o.stop()); err != nil {
		t.Error(err)
	}
}

// TestDrainUnderLoad: clients that send one request after another, and connect to another
// node when this one refuses, see no other fault.
func TestDrainUnderLoad(t *testing.T) {
	t.Parallel()
	for name, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one, two := openDoor(t, nil), openDoor(t, nil)
			var elsewhere, sent atomic.Int64
			// A connection that the kernel holds for the door is reset when the listener
			// closes. Nothing was sent on it, so it counts as refused.
			dial := func(ctx context.Context, network, _ string, conf *tls.Config) (net.Conn, error) {
				c, err := (&tls.Dialer{Config: conf}).DialContext(ctx, network, one.addr)
				if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF) {
					elsewhere.Add(1)
					return (&tls.Dialer{Config: conf}).DialContext(ctx, network, two.addr)
				}
				return c, err
			}
			ctx, cancel := context.WithCancel(t.Context())
			var clients sync.WaitGroup
			for range 8 {
				c := one.client(h2)
				tr := c.Transport.(*http.Transport)
				conf := tr.TLSClientConfig.Clone()
				if conf.ServerName = "signum.test"; h2 {
					conf.NextProtos = []string{"h2", "http/1.1"}
				}
				tr.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
					return dial(ctx, network, address, conf)
				}
				clients.Go(func() {
					for ctx.Err() == nil {
						resp, err := c.Post("https://signum.test/", "text/plain", bytes.NewReader([]byte("x")))
						if err != nil {
							t.Error(err)
							return
						}
						_, _ = io.Copy(io.Discard, resp.Body)
						resp.Body.Close()
						sent.Add(1)
					}
				})
			}
			until := func(n int64) {
				for last := sent.Load() + n; sent.Load() < last && !t.Failed(); {
					runtime.Gosched()
				}
			}
			until(200)
			one.Farewell()
			until(200)
			if err := errors.Join(one.Drain(t.Context()), one.stop()); err != nil {
				t.Error(err)
			}
			until(200)
			cancel()
			clients.Wait()
			if err := two.stop(); err != nil {
				t.Error(err)
			}
			if elsewhere.Load() == 0 {
				t.Error("nobody went elsewhere")
			}
		})
	}
}

// FuzzFollow: whatever parts frames are written in, the door knows where one ends.
func FuzzFollow(f *testing.F) {
	f.Add([]byte{0, 0, 8, 200}, byte(3))
	f.Add([]byte{255, 1}, byte(9))
	f.Fuzz(func(t *testing.T, lengths []byte, part byte) {
		var all []byte
		ends := map[int]bool{0: true}
		for _, n := range lengths {
			all = append(all, 0, 0, n, 0, 0, 0, 0, 0, 1)
			all = append(all, bytes.Repeat([]byte{0xff}, int(n))...)
			ends[len(all)] = true
		}
		var c h2conn
		for at := 0; at < len(all); {
			n := min(int(part)+1, len(all)-at)
			c.follow(all[at : at+n])
			at += n
			if got := c.have == 0 && c.left == 0; got != ends[at] {
				t.Fatalf("after %d of %d octets a frame has ended: %t", at, len(all), got)
			}
		}
	})
}
