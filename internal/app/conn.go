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
	// maxQueued bounds the frames that wait for a slow App. An App that is cut off
	// for it gets everything again with its next sync.
	maxQueued    = 64
	maxFrame     = 4 << 10 // bytes, of a frame from an App
	writeTimeout = 10 * time.Second
	closeTimeout = 500 * time.Millisecond // for the closing handshake: the end of a node waits for it

	readBuffer, writeBuffer = 512, 1 << 10
)

// conn is an open inbox. One goroutine reads; a second one exists only while
// there is something to write, because most inboxes are idle.
type conn struct {
	s      *Server
	ws     *websocket.Conn
	net    net.Conn
	opened time.Time
	source string       // IP address
	seen   atomic.Int64 // when the App last sent something, Unix milliseconds

	// Set before the connection is in a mailbox.
	device string
	msisdn string
	err    error // the internal error that ended it, for the log

	mu      sync.Mutex
	out     [][]byte
	held    bool // queue, but do not write before the sync
	writing bool // drain is running
	code    websocket.StatusCode
	reason  string
	known   bool // its hello was accepted
}

func newConn(s *Server, now time.Time) *conn {
	c := &conn{s: s, opened: now, held: true}
	c.seen.Store(now.UnixMilli())
	return c
}

// accept takes over the connection, with small buffers: those of net/http are
// 4 KiB in each direction.
func (c *conn) accept(w http.ResponseWriter, r *http.Request) error {
	thin := &thinWriter{ResponseWriter: w}
	ws, err := websocket.Accept(thin, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // mayConnect has checked the origin
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

// thinWriter gives a hijacked connection small buffers.
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
	if len(early) > 0 { // fill the new buffer: the library reads what is buffered there
		_, err = r.Peek(len(early))
	}
	return conn, bufio.NewReadWriter(r, bufio.NewWriterSize(conn, writeBuffer)), err
}

// pinged handles a ping of RFC 6455, which counts as a frame. Beyond the limit it
// is not answered.
func (c *conn) pinged() bool {
	c.touch()
	return c.device != "" && c.s.byDevice.Take(c.device, c.s.now()) == 0
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
	b, _ := json.Marshal(f, jsontext.AllowInvalidUTF8(true)) // invalid UTF-8 is the only possible error
	return b
}

// queue sends a frame without waiting for the App. An App that reads too slowly
// is disconnected.
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

// release sends the first frames and then what was queued in the meantime.
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

// flush starts drain unless it is running. mu must be held.
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

// close closes the connection without waiting. The first reason counts.
func (c *conn) close(code websocket.StatusCode, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shut(code, reason)
}

// shut is close with mu held.
func (c *conn) shut(code websocket.StatusCode, reason string) {
	if c.code != 0 {
		return
	}
	c.code, c.reason = code, reason
	if !c.s.tasks.start(c.sendClose, c.cut) {
		_ = c.net.Close()
	}
}

// cut drops the connection without a closing handshake.
func (c *conn) cut() { _ = c.net.Close() }

// closeLast is close once no more tasks start: it makes the reader return, which
// then calls sendClose.
func (c *conn) closeLast() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.code == 0 {
		c.code, c.reason = websocket.StatusGoingAway, "the service is stopping"
		_ = c.net.SetReadDeadline(time.Now()) // ends the read in progress
	}
}

// end is close for the reader, which may wait.
func (c *conn) end(code websocket.StatusCode, reason string) {
	c.mu.Lock()
	if c.code == 0 {
		c.code, c.reason = code, reason
	}
	c.mu.Unlock()
	c.sendClose()
}

// sendClose does the closing handshake, within closeTimeout.
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
