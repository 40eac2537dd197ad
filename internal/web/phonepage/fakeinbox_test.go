package phonepage

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

func (f *fake) serveInbox(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer c.CloseNow()
	ctx := context.Background()
	var hello struct{ Type, Proof string }
	if wsjson.Read(ctx, c, &hello) != nil {
		return
	}
	f.mu.Lock()
	_, refused := f.prove(hello.Proof, "GET", "/app/v2/inbox", nil)
	if refused != nil {
		f.mu.Unlock()
		_ = c.Close(4401, refused.body["error"].(string))
		return
	}
	old := f.inbox
	f.inbox = c
	f.opened++
	_ = wsjson.Write(ctx, c, map[string]any{"type": "welcome", "now": time.Now().Add(f.skew).UnixMilli(), "heartbeat": 25000})
	_ = wsjson.Write(ctx, c, map[string]any{"type": "sync", "requests": slices.Concat([]request{}, f.pending)})
	f.mu.Unlock()
	if old != nil {
		go func() { _ = old.Close(4409, "another inbox") }()
	}
	for {
		var in map[string]any
		if wsjson.Read(ctx, c, &in) != nil {
			return
		}
		f.mu.Lock()
		switch in["type"] {
		case "shown":
			f.shown = append(f.shown, fmt.Sprint(in["id"], " ", in["op"]))
		case "ping":
			_ = wsjson.Write(ctx, c, map[string]any{"type": "pong", "now": time.Now().Add(f.skew).UnixMilli()})
		default:
			f.t.Errorf("frame %v", in)
		}
		f.mu.Unlock()
	}
}

// send makes a request pending and tells the inbox.
func (f *fake) send(r request) request {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending = append(f.pending, r)
	f.tell(map[string]any{"type": "request", "request": r})
	return r
}

// gone ends a request.
func (f *fake) gone(r request, reason string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending = slices.DeleteFunc(f.pending, func(p request) bool { return p["id"] == r["id"] && p["op"] == r["op"] })
	f.tell(map[string]any{"type": "gone", "id": r["id"], "op": r["op"], "reason": reason})
}

func (f *fake) tell(frame any) {
	if f.inbox != nil {
		_ = wsjson.Write(context.Background(), f.inbox, frame)
	}
}

// drop breaks the connection of the inbox.
func (f *fake) drop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.inbox != nil {
		_ = f.inbox.CloseNow()
		f.inbox = nil
	}
}
