package handsetpage

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/signum-mssp/signum/internal/event"
)

const (
	beatInterval = 15 * time.Second // between frames, at most
	writeTimeout = 10 * time.Second // for one frame
	maxFrame     = 256              // octets of a frame from the page
	closeUnknown = websocket.StatusCode(4404)
	closeBusy    = websocket.StatusTryAgainLater
)

// viewer is an open page.
type viewer struct{ woken chan struct{} }

func (p *viewer) wake() {
	select {
	case p.woken <- struct{}{}:
	default:
	}
}

// state is everything that a page shows of a handset, so a page that has the last
// one has missed nothing. Times are by the clock of the service.
type state struct {
	Now      int64     `json:"now"` // ms since 1970
	MSISDN   string    `json:"msisdn"`
	ICCID    string    `json:"iccid"`
	Name     string    `json:"name"`
	ByHand   bool      `json:"byHand"`
	Dialogue dialogue  `json:"dialogue"`
	Messages []message `json:"messages"` // oldest first
}

type dialogue struct {
	ID     uint64       `json:"id,string"` // JavaScript numbers have 53 bits
	Kind   DialogueKind `json:"kind"`
	Text   string       `json:"text"`
	Who    bool         `json:"who"`
	Hidden bool         `json:"hidden"`
	Digits bool         `json:"digits"`
	Min    int          `json:"min"`
	Max    int          `json:"max"`
	Since  int64        `json:"since"` // ms since 1970
	Until  int64        `json:"until"` // 0: no limit
}

type message struct {
	Text  string `json:"text"`
	Flash bool   `json:"flash"`
	Time  int64  `json:"time"` // µs since 1970; it identifies the message
}

func (h *Page) state(msisdn string) ([]byte, error) {
	d, err := h.Handsets.Dialogue(msisdn)
	if err != nil {
		return nil, err
	}
	if d.Kind != DialogueText && d.Kind != DialogueInput {
		d = Dialogue{Kind: DialogueIdle}
	}
	s := state{
		Now: time.Now().UnixMilli(), MSISDN: msisdn, ByHand: h.byHand(msisdn), Messages: []message{},
		Dialogue: dialogue{ID: d.ID, Kind: d.Kind, Text: d.Text, Who: d.Who, Hidden: d.Hidden, Digits: d.Digits, Min: d.MinLen, Max: d.MaxLen, Since: d.Since.UnixMilli()},
	}
	if !d.Until.IsZero() {
		s.Dialogue.Until = d.Until.UnixMilli()
	}
	for _, i := range h.Handsets.List() {
		if i.MSISDN == msisdn {
			s.ICCID, s.Name = i.ICCID, i.Name
		}
	}
	all := h.Handsets.Messages(msisdn)
	for _, m := range all[max(0, len(all)-maxMessages):] {
		s.Messages = append(s.Messages, message{m.Text, m.Flash, m.Time.UnixMicro()})
	}
	return json.Marshal(s, jsontext.AllowInvalidUTF8(true))
}

// live is the connection of an open page. The page gets the whole state at once and
// with every change, and can change who answers.
func (h *Page) live(w http.ResponseWriter, r *http.Request) {
	msisdn := numberOf(r)
	changes, stop, err := h.Handsets.Watch(msisdn)
	if err != nil {
		h.refuse(w, http.StatusNotFound, "unknown")
		return
	}
	defer stop()
	c, err := websocket.Accept(w, r, nil) // sameOrigin has checked the origin
	if err != nil {
		return // Accept has answered
	}
	defer c.CloseNow()
	c.SetReadLimit(maxFrame)
	p := &viewer{woken: make(chan struct{}, 1)}
	if !h.join(msisdn, p, r.URL.Query().Get("hand") != "off") {
		_ = c.Close(closeBusy, "too many pages")
		return
	}
	defer h.leave(msisdn, p)
	ctx, cancel := context.WithCancel(h.ctx)
	defer cancel()
	h.work.Go(func() {
		defer event.Rescue(h.Logger, "handset page")
		defer cancel()
		h.listen(ctx, c, msisdn)
	})
	h.follow(ctx, c, msisdn, p, changes)
}

// follow sends the state with every change until the connection ends.
func (h *Page) follow(ctx context.Context, c *websocket.Conn, msisdn string, p *viewer, changes <-chan struct{}) {
	defer event.Rescue(h.Logger, "handset page", func() { _ = c.Close(websocket.StatusInternalError, "") })
	beat := time.NewTicker(beatInterval)
	defer beat.Stop()
	for {
		if code, reason := h.tell(ctx, c, msisdn); code != 0 {
			_ = c.Close(code, reason)
			return
		}
		select {
		case _, ok := <-changes:
			if !ok {
				changes = nil // the state says that the handset is gone
			}
		case <-p.woken:
		case <-beat.C:
		case <-ctx.Done():
			_ = c.Close(websocket.StatusGoingAway, "")
			return
		}
	}
}

// tell sends the state. A code other than 0 ends the connection.
func (h *Page) tell(ctx context.Context, c *websocket.Conn, msisdn string) (websocket.StatusCode, string) {
	frame, err := h.state(msisdn)
	switch {
	case errors.Is(err, ErrUnknown):
		return closeUnknown, "no such handset"
	case err != nil:
		h.Logger.Error("handset page: state", "msisdn", masked(msisdn), "err", err)
		return websocket.StatusInternalError, ""
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	if c.Write(ctx, websocket.MessageText, frame) != nil {
		return websocket.StatusGoingAway, ""
	}
	return 0, ""
}

// listen handles the frames of a page until its connection ends.
func (h *Page) listen(ctx context.Context, c *websocket.Conn, msisdn string) {
	for {
		_, frame, err := c.Read(ctx)
		if err != nil {
			return
		}
		var in struct {
			ByHand *bool `json:"byHand"`
		}
		if json.Unmarshal(frame, &in, json.RejectUnknownMembers(true)) != nil || in.ByHand == nil {
			_ = c.Close(websocket.StatusPolicyViolation, "not understood")
			return
		}
		h.setByHand(msisdn, *in.ByHand)
	}
}
