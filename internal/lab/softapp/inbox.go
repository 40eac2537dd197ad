package softapp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/lab/person"
)

const (
	maxFrame         = 1 << 20
	defaultHeartbeat = 25 * time.Second

	closedProof   = 4401 // the reason is an error code
	closedAnother = 4409 // the device has opened another inbox
)

// inbox is the connection of an App.
type inbox struct {
	line struct {
		sync.Mutex
		conn *websocket.Conn    // nil: not welcome yet
		cut  context.CancelFunc // of the connection
		stop context.CancelFunc // for good
	}
	mail mail
}

// frame is any that the service sends.
type frame struct {
	Type      string        `json:"type"`
	Now       int64         `json:"now"`
	Heartbeat int64         `json:"heartbeat"`
	Requests  []wireRequest `json:"requests"`
	Request   *wireRequest  `json:"request"`
	ID        string        `json:"id"`
	Op        string        `json:"op"`
	Reason    string        `json:"reason"`
}

// word is any that the App sends.
type word struct {
	Type  string `json:"type"`
	Proof string `json:"proof,omitempty"`
	ID    string `json:"id,omitempty"`
	Op    string `json:"op,omitempty"`
}

func (p *app) log() *slog.Logger { return p.s.c.Logger.With("device", p.record.DeviceID) }

// attendInbox keeps the inbox open until the context ends, or the service
// does not want this App any more.
func (p *app) attendInbox(ctx context.Context) {
	pause := firstPause
	for ctx.Err() == nil {
		if p.unreachable() {
			p.rest(ctx, 0)
			continue
		}
		welcome, err := p.connect(ctx)
		if ctx.Err() != nil {
			return
		}
		if welcome {
			pause = firstPause
		}
		closed := websocket.CloseError{}
		errors.As(err, &closed)
		switch {
		case closed.Code == closedAnother, closed.Code == closedProof && closed.Reason != "stale":
			p.log().Error("the inbox of an App was closed for good", "code", int(closed.Code), "reason", closed.Reason)
			return
		case closed.Code == closedProof:
			// The reason does not tell the time; a call does.
			if err := p.beat(ctx); err != nil {
				p.log().Warn("an App did not learn the time", "err", err)
			}
		}
		p.log().Debug("the inbox of an App was closed", "err", err)
		p.rest(ctx, jitter(pause))
		pause = min(2*pause, lastPause)
	}
}

func (p *app) unreachable() bool { return p.person.Behaviour().Do == person.Unreachable }

// rest waits for that long, or until something changed; 0: only that.
func (p *app) rest(ctx context.Context, d time.Duration) {
	var over <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		over = t.C
	}
	select {
	case <-ctx.Done():
	case <-p.look:
	case <-over:
	}
}

// changed has the App look at its person's behaviour again.
func (p *app) changed() {
	if p.unreachable() {
		p.line.Lock()
		if p.line.cut != nil {
			p.line.cut()
		}
		p.line.Unlock()
	}
	select {
	case p.look <- struct{}{}:
	default: // it will look
	}
}

func (p *app) setStop(stop context.CancelFunc) {
	p.line.Lock()
	defer p.line.Unlock()
	p.line.stop = stop
}

// halt ends attendInbox.
func (p *app) halt() {
	p.line.Lock()
	defer p.line.Unlock()
	if p.line.stop != nil {
		p.line.stop()
	}
}

// connect opens the inbox and reads what comes until it is closed. The caller
// learns whether the App was welcome.
func (p *app) connect(ctx context.Context) (welcome bool, err error) {
	defer event.RescueTo(&err, p.log(), "inbox of a software App") // then it connects again
	ctx, cut := context.WithCancel(ctx)
	defer cut()
	p.line.Lock()
	p.line.cut = cut
	p.line.Unlock()
	defer p.setConn(nil)
	if p.unreachable() { // since it was last looked at
		return false, errors.New("the App is out of reach")
	}
	conn, every, err := p.dial(ctx)
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.CloseNow() }() // most often it is closed already
	p.setConn(conn)
	p.s.open.Add(1)
	defer p.s.open.Add(-1)
	heard := new(atomic.Int64)
	p.pulse(ctx, conn, every, heard)
	for {
		f, err := readFrame(ctx, conn)
		if err != nil {
			return true, err
		}
		heard.Store(time.Now().UnixNano())
		p.read(f)
	}
}

func (p *app) setConn(c *websocket.Conn) {
	p.line.Lock()
	defer p.line.Unlock()
	p.line.conn = c
}

// dial opens the connection, up to the welcome.
func (p *app) dial(ctx context.Context) (_ *websocket.Conn, every time.Duration, err error) {
	select {
	case p.s.dials <- struct{}{}:
		defer func() { <-p.s.dials }()
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
	p.mail.connecting(p.device)
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, fmt.Errorf("no welcome within %s", callTimeout))
	defer cancel()
	conn, _, err := websocket.Dial(ctx, p.s.base.String()+"inbox", &websocket.DialOptions{HTTPClient: p.s.http})
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		if err != nil {
			_ = conn.CloseNow()
		}
	}()
	conn.SetReadLimit(maxFrame)
	proof, err := p.proof(http.MethodGet, p.s.base.EscapedPath()+"inbox", nil)
	if err != nil {
		return nil, 0, err
	}
	if err = say(ctx, conn, word{Type: "hello", Proof: proof}); err != nil {
		// A refusal may have come before all of it was said.
		if _, why := readFrame(ctx, conn); websocket.CloseStatus(why) != -1 {
			err = why
		}
		return nil, 0, err
	}
	f, err := readFrame(ctx, conn)
	if err != nil {
		return nil, 0, err
	}
	if f.Type != "welcome" {
		return nil, 0, fmt.Errorf("the service begins with %q, not with welcome", f.Type)
	}
	if f.Now != 0 {
		p.learn(time.UnixMilli(f.Now))
	}
	every = time.Duration(f.Heartbeat) * time.Millisecond
	if every <= 0 {
		every = defaultHeartbeat
	}
	return conn, every, nil
}

func readFrame(ctx context.Context, c *websocket.Conn) (*frame, error) {
	_, data, err := c.Read(ctx)
	if err != nil {
		return nil, err
	}
	f := new(frame)
	if err := json.Unmarshal(data, f); err != nil {
		return nil, fmt.Errorf("a frame of the service: %w", err)
	}
	return f, nil
}

func say(ctx context.Context, c *websocket.Conn, w word) error {
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, fmt.Errorf("nothing was said within %s", callTimeout))
	defer cancel()
	data, err := json.Marshal(w)
	if err != nil {
		return err
	}
	return c.Write(ctx, websocket.MessageText, data)
}

// pulse says something after four fifths of the heartbeat, and so on while the
// connection lasts. It is a timer and no goroutine, for many Apps do nothing
// else. A service that was not heard for twice the heartbeat is gone.
func (p *app) pulse(ctx context.Context, c *websocket.Conn, every time.Duration, heard *atomic.Int64) {
	heard.CompareAndSwap(0, time.Now().UnixNano())
	p.heartbeat()
	time.AfterFunc(every*4/5, func() {
		defer event.Rescue(p.s.c.Logger, "pulse of a software App", func() { _ = c.CloseNow() })
		silent := time.Since(time.Unix(0, heard.Load()))
		if ctx.Err() != nil {
			return
		}
		if silent > 2*every || say(ctx, c, word{Type: "ping"}) != nil {
			_ = c.CloseNow() // the reader will see
			return
		}
		p.pulse(ctx, c, every, heard)
	})
}

// heartbeat sends one if it is due.
func (p *app) heartbeat() {
	now, due := p.s.c.Clock.Now(), p.due.Load()
	if now.Unix() < due || !p.due.CompareAndSwap(due, now.Add(heartbeatEvery).Unix()) {
		return
	}
	p.s.radio.Submit(func() {
		ctx := context.Background()
		if err := p.s.persist(ctx, func() error { return p.beat(ctx) }); err != nil {
			p.log().Warn("heartbeat of an App failed", "err", err)
		}
	})
}

// tell says that a request is on the screen, if there is anybody to tell.
func (p *app) tell(id name) {
	p.line.Lock()
	c := p.line.conn
	p.line.Unlock()
	if c == nil {
		return
	}
	if err := say(context.Background(), c, word{Type: "shown", ID: id.transID, Op: wireOp(id.op)}); err != nil {
		p.log().Debug("the service was not told of what is shown", "err", err)
	}
}
