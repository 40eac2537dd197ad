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

	closedRefused  = 4401 // the reason is an error code
	closedReplaced = 4409 // the device has opened another inbox
)

// errOutdated means that the service no longer speaks this version of the protocol.
var errOutdated = errors.New("this App is too old for the service")

// inbox is the connection of an App.
type inbox struct {
	line struct {
		sync.Mutex
		conn *websocket.Conn    // nil before the welcome
		cut  context.CancelFunc // ends the connection
		stop context.CancelFunc // ends keepInbox
	}
	mail mail
}

// frame is a frame of the service.
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

// clientFrame is a frame of the App.
type clientFrame struct {
	Type  string `json:"type"`
	Proof string `json:"proof,omitempty"`
	ID    string `json:"id,omitempty"`
	Op    string `json:"op,omitempty"`
}

func (p *app) log() *slog.Logger { return p.s.c.Logger.With("device", p.record.DeviceID) }

// keepInbox keeps the inbox open until ctx ends, the service refuses this App for good, or
// the App has been idle for too long.
func (p *app) keepInbox(ctx context.Context) {
	pause := firstPause
	for ctx.Err() == nil {
		if p.unreachable() {
			p.pauseFor(ctx, 0)
			continue
		}
		welcome, err := p.connect(ctx)
		if ctx.Err() != nil {
			return
		}
		if welcome {
			pause = firstPause
		}
		if errors.Is(err, errIdle) {
			return
		}
		if errors.Is(err, errOutdated) {
			p.log().Error("the inbox of an App was refused for good", "err", err)
			return
		}
		closed := websocket.CloseError{}
		errors.As(err, &closed)
		switch {
		case closed.Code == closedReplaced, closed.Code == closedRefused && closed.Reason != "stale":
			p.log().Error("the inbox of an App was closed for good", "code", int(closed.Code), "reason", closed.Reason)
			return
		case closed.Code == closedRefused: // stale: a call tells the time
			if err := p.sendHeartbeat(ctx); err != nil {
				p.log().Warn("an App could not correct its clock", "err", err)
			}
		}
		p.log().Debug("the inbox of an App was closed", "err", err)
		p.pauseFor(ctx, jitter(pause))
		pause = min(2*pause, lastPause)
	}
}

func (p *app) unreachable() bool { return p.person.Behaviour().Do == person.Unreachable }

// pauseFor waits for d, or until the person's behaviour changes; if d is 0, only for
// the latter.
func (p *app) pauseFor(ctx context.Context, d time.Duration) {
	var over <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		over = t.C
	}
	select {
	case <-ctx.Done():
	case <-p.changes:
	case <-over:
	}
}

// changed makes the App look at the person's behaviour again.
func (p *app) changed() {
	if p.unreachable() {
		p.line.Lock()
		if p.line.cut != nil {
			p.line.cut()
		}
		p.line.Unlock()
	}
	select {
	case p.changes <- struct{}{}:
	default: // a signal is pending already
	}
}

func (p *app) setStop(stop context.CancelFunc) {
	p.line.Lock()
	defer p.line.Unlock()
	p.line.stop = stop
}

// halt ends keepInbox.
func (p *app) halt() {
	p.line.Lock()
	defer p.line.Unlock()
	if p.line.stop != nil {
		p.line.stop()
	}
}

// connect opens the inbox and reads frames until it is closed. welcome is true if
// the service accepted the proof.
func (p *app) connect(ctx context.Context) (welcome bool, err error) {
	defer event.RescueTo(&err, p.log(), "inbox of a software App") // keepInbox connects again
	ctx, cut := context.WithCancel(ctx)
	defer cut()
	p.line.Lock()
	p.line.cut = cut
	p.line.Unlock()
	defer p.setConn(nil)
	if p.unreachable() { // it may have changed since keepInbox looked
		return false, errors.New("the App is out of reach")
	}
	conn, every, err := p.dial(ctx)
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.CloseNow() }() // usually it is closed already
	p.setConn(conn)
	p.s.open.Add(1)
	defer p.s.open.Add(-1)
	heard := new(atomic.Int64)
	p.keepAlive(ctx, conn, every, heard)
	idle := p.whenIdle(cut)
	defer idle.stop()
	for {
		f, err := readFrame(ctx, conn)
		if err != nil {
			if idle.over.Load() {
				err = errIdle
			}
			return true, err
		}
		heard.Store(time.Now().UnixNano())
		idle.put()
		p.read(f)
	}
}

// errIdle means that the App closed its inbox because it had nothing to do.
var errIdle = errors.New("the App sleeps")

// idleness ends a connection of an App that has nothing to do.
type idleness struct {
	timer *time.Timer // nil: never
	after time.Duration
	over  atomic.Bool
}

// whenIdle cuts the connection after Config.Idle without news, unless something is on the
// screen or waits for it.
func (p *app) whenIdle(cut func()) *idleness {
	i := &idleness{after: p.s.c.Idle}
	if i.after == 0 {
		return i
	}
	ready := make(chan struct{})
	i.timer = time.AfterFunc(i.after, func() {
		defer event.Rescue(p.log(), "idle App")
		<-ready
		if p.device.shownKey() != (requestKey{}) {
			i.put()
			return
		}
		i.over.Store(true)
		cut()
	})
	close(ready)
	return i
}

func (i *idleness) put() {
	if i.timer != nil {
		i.timer.Reset(i.after)
	}
}

func (i *idleness) stop() {
	if i.timer != nil {
		i.timer.Stop()
	}
}

func (p *app) setConn(c *websocket.Conn) {
	p.line.Lock()
	defer p.line.Unlock()
	p.line.conn = c
}

// dial opens the connection and waits for the welcome. every is the heartbeat.
func (p *app) dial(ctx context.Context) (_ *websocket.Conn, every time.Duration, err error) {
	select {
	case p.s.dialling <- struct{}{}:
		defer func() { <-p.s.dialling }()
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
	p.mail.connecting(p.device)
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, fmt.Errorf("the service sent no welcome within %s", callTimeout))
	defer cancel()
	conn, resp, err := websocket.Dial(ctx, p.s.base.String()+"inbox", &websocket.DialOptions{HTTPClient: p.s.http})
	if resp != nil && resp.StatusCode == http.StatusGone {
		return nil, 0, errOutdated
	}
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
	if err = writeFrame(ctx, conn, clientFrame{Type: "hello", Proof: proof}); err != nil {
		// The service may have refused before all of it was written.
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
		return nil, 0, fmt.Errorf("the first frame of the service is %q, not welcome", f.Type)
	}
	if f.Now != 0 {
		p.adjustClock(time.UnixMilli(f.Now))
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

func writeFrame(ctx context.Context, c *websocket.Conn, f clientFrame) error {
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, fmt.Errorf("no frame could be written within %s", callTimeout))
	defer cancel()
	data, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return c.Write(ctx, websocket.MessageText, data)
}

// keepAlive sends a ping after four fifths of the heartbeat, and so on until the
// connection ends. It uses a timer instead of a goroutine, because most Apps are
// idle. If nothing was received for twice the heartbeat, it closes the connection.
func (p *app) keepAlive(ctx context.Context, c *websocket.Conn, every time.Duration, heard *atomic.Int64) {
	heard.CompareAndSwap(0, time.Now().UnixNano())
	p.heartbeatIfDue()
	time.AfterFunc(every*4/5, func() {
		defer event.Rescue(p.s.c.Logger, "keep-alive of a software App", func() { _ = c.CloseNow() })
		silent := time.Since(time.Unix(0, heard.Load()))
		if ctx.Err() != nil {
			return
		}
		if silent > 2*every || writeFrame(ctx, c, clientFrame{Type: "ping"}) != nil {
			_ = c.CloseNow() // the reader notices
			return
		}
		p.keepAlive(ctx, c, every, heard)
	})
}

// heartbeatIfDue sends a heartbeat if it is due.
func (p *app) heartbeatIfDue() {
	now, due := p.s.c.Clock.Now(), p.due.Load()
	if now.Unix() < due || !p.due.CompareAndSwap(due, now.Add(heartbeatEvery).Unix()) {
		return
	}
	p.s.sending.Submit(func() {
		ctx := context.Background()
		if err := p.s.retry(ctx, func() error { return p.sendHeartbeat(ctx) }); err != nil {
			p.log().Warn("heartbeat of an App failed", "err", err)
		}
	})
}

// reportShown tells the service that a request is on the screen, if connected.
func (p *app) reportShown(id requestKey) {
	p.line.Lock()
	c := p.line.conn
	p.line.Unlock()
	if c == nil {
		return
	}
	if err := writeFrame(context.Background(), c, clientFrame{Type: "shown", ID: id.transID, Op: wireOp(id.op)}); err != nil {
		p.log().Debug("shown was not sent", "err", err)
	}
}
