package app

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	// maxQueued is how many frames wait for a slow App. Who reads none of them
	// gets all with the next sync.
	maxQueued    = 64
	maxFrame     = 4 << 10 // of an App
	writeTimeout = 10 * time.Second
	closeTimeout = 2 * time.Second // for the last words on both sides

	readBuffer, writeBuffer = 512, 1 << 10
)

// conn is an inbox. It has one goroutine, which reads, and one more only while
// there is something to write.
type conn struct {
	s      *Server
	ws     *websocket.Conn
	net    net.Conn
	opened time.Time
	source string       // IP address
	seen   atomic.Int64 // when the App was heard last, in milliseconds

	// Set before the connection is in a box.
	device string
	msisdn string
	err    error // for the log

	mu      sync.Mutex
	out     [][]byte
	held    bool // nothing is written before the sync
	writing bool // somebody drains out
	code    websocket.StatusCode
	reason  string
	known   bool // it has said hello
}

func newConn(s *Server, now time.Time) *conn {
	c := &conn{s: s, opened: now, held: true}
	c.seen.Store(now.UnixMilli())
	return c
}

// accept takes over the connection. Its buffers are small: net/http's are
// 4 KiB in each direction.
func (c *conn) accept(w http.ResponseWriter, r *http.Request) error {
	thin := &thinWriter{ResponseWriter: w}
	ws, err := websocket.Accept(thin, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // mayConnect has looked at the origin
		CompressionMode:    websocket.CompressionDisabled,
		OnPingReceived:     func(context.Context, []byte) bool { return c.pinged() },
	})
	if err != nil {
		return err
	}
	ws.SetReadLimit(maxFrame)
	c.ws, c.net = ws, thin.conn
	return nil
}

// thinWriter hands out a hijacked connection with small buffers.
type thinWriter struct {
	http.ResponseWriter
	conn net.Conn
}

func (t *thinWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(t.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	t.conn = conn
	early, err := rw.Reader.Peek(rw.Reader.Buffered())
	if err != nil {
		return nil, nil, err
	}
	r := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(bytes.Clone(early)), conn), max(readBuffer, len(early)))
	if len(early) > 0 { // into the new buffer, where the library looks for it
		_, err = r.Peek(len(early))
	}
	return conn, bufio.NewReadWriter(r, bufio.NewWriterSize(conn, writeBuffer)), err
}

// pinged is a ping of RFC 6455, which counts as any other frame. It is answered
// while the limit lasts.
func (c *conn) pinged() bool {
	c.touch()
	return c.device != "" && c.s.byDevice.take(c.device, c.s.now()) == 0
}

func (c *conn) touch() { c.seen.Store(c.s.now().UnixMilli()) }

// overdue reports whether the App has been silent for too long.
func (c *conn) overdue(now time.Time) bool {
	c.mu.Lock()
	known := c.known
	c.mu.Unlock()
	if !known {
		return now.Sub(c.opened) >= helloWait
	}
	return now.UnixMilli()-c.seen.Load() >= silence.Milliseconds()
}

func encode(f frame) []byte {
	b, _ := json.Marshal(f, jsontext.AllowInvalidUTF8(true)) // the only way in which it could fail
	return b
}

// queue says something without waiting for the App. One that does not listen
// is cut off.
func (c *conn) queue(f frame) {
	b := encode(f)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.code != 0 {
		return
	}
	if len(c.out) >= maxQueued {
		c.shut(closeTooMuch, "too slow")
		return
	}
	c.out = append(c.out, b)
	c.flush()
}

// release says hello, before all that was queued meanwhile.
func (c *conn) release(first ...frame) {
	out := make([][]byte, 0, len(first))
	for _, f := range first {
		out = append(out, encode(f))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = append(out, c.out...)
	c.held, c.known = false, true
	c.flush()
}

// flush starts to write, under the lock, unless that is going on.
func (c *conn) flush() {
	if c.held || c.writing || c.code != 0 || len(c.out) == 0 {
		return
	}
	c.writing = c.s.tasks.start(c.drain, c.cut)
}

func (c *conn) drain() {
	for b := c.pop(); b != nil; b = c.pop() {
		ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
		err := c.ws.Write(ctx, websocket.MessageText, b)
		cancel()
		if err != nil {
			c.close(websocket.StatusGoingAway, "")
		}
	}
}

func (c *conn) pop() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.code != 0 || len(c.out) == 0 {
		c.out, c.writing = nil, false
		return nil
	}
	b := c.out[0]
	c.out = c.out[1:]
	return b
}

// close ends the connection; the first reason counts. It does not wait.
func (c *conn) close(code websocket.StatusCode, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shut(code, reason)
}

// shut is close under the lock.
func (c *conn) shut(code websocket.StatusCode, reason string) {
	if c.code != 0 {
		return
	}
	c.code, c.reason = code, reason
	if !c.s.tasks.start(c.sendClose, c.cut) {
		_ = c.net.Close()
	}
}

// cut ends the connection without a word.
func (c *conn) cut() { _ = c.net.Close() }

// closeLast is close when no more tasks start: the reader says sendClose.
func (c *conn) closeLast() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.code == 0 {
		c.code, c.reason = websocket.StatusGoingAway, "the service is stopping"
		_ = c.net.SetReadDeadline(time.Now()) // ends its read
	}
}

// end is close by the reader, which has nothing else to do.
func (c *conn) end(code websocket.StatusCode, reason string) {
	c.mu.Lock()
	if c.code == 0 {
		c.code, c.reason = code, reason
	}
	c.mu.Unlock()
	c.sendClose()
}

// sendClose tells the App why. Both sides have little time for it.
func (c *conn) sendClose() {
	code, reason := c.closing()
	_ = c.net.SetDeadline(time.Now().Add(closeTimeout))
	_ = c.ws.Close(code, reason)
}

func (c *conn) closing() (websocket.StatusCode, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.code, c.reason
}
