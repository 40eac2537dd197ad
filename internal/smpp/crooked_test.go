package smpp

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum/internal/event"
)

//go:embed testdata/crooked.txt
var crookedFile string

// crooked is a row of the table.
type crooked struct {
	what, side, must string
	pdu              []byte
}

func crookedRows(t testing.TB) (rows []crooked) {
	t.Helper()
	for block := range strings.SplitSeq(crookedFile, "\n\n") {
		var c crooked
		for line := range strings.Lines(block) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			switch value = strings.TrimSpace(value); key {
			case "what":
				c.what = value
			case "side":
				c.side = value
			case "must":
				c.must = value
			case "pdu":
				var err error
				if c.pdu, err = hex.DecodeString(value); err != nil {
					t.Fatalf("%s: %v", c.what, err)
				}
			}
		}
		if c.what != "" {
			rows = append(rows, c)
		}
	}
	return rows
}

func (c *crooked) answersSubmit() bool {
	return strings.HasPrefix(c.must, "taken") || strings.HasPrefix(c.must, "refused") || c.must == "unanswered"
}

// Each PDU of the table has exactly the effect that the table says, and a session goes
// on however often it comes.
func TestCrookedPDUs(t *testing.T) {
	rows := crookedRows(t)
	if len(rows) < 90 {
		t.Errorf("%d rows", len(rows))
	}
	for _, c := range rows {
		t.Run(c.side+": "+c.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				switch {
				case c.side == "server":
					c.toServer(t)
				case strings.HasSuffix(c.must, "bound"):
					c.toBind(t)
				case c.answersSubmit():
					c.toSubmit(t)
				default:
					c.toClient(t)
				}
			})
		})
	}
}

// onRaw is a client on a peer that the test plays.
type onRaw struct {
	*raw
	client    *Client
	delivered chan string
	done      func()
}

func newOnRaw(t *testing.T) *onRaw {
	t.Helper()
	l := newPipes()
	o := &onRaw{delivered: make(chan string, 100)}
	var err error
	o.client, err = NewClient(ClientConfig{
		Addr: "a:1", Dial: l.dial, EnquireLink: time.Hour, MinBackoff: time.Hour,
		Deliver: func(_ context.Context, d *DeliverSM, _ *event.Event) Status {
			o.delivered <- hex.EncodeToString(d.ShortMessage)
			return StatusOK
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() { defer close(ran); _ = o.client.Run(ctx) }()
	nc, _ := l.Accept()
	o.raw = &raw{t, nc}
	o.done = func() {
		cancel()
		_ = o.Close()
		_ = l.Close()
		<-ran
	}
	return o
}

func (o *onRaw) bound() {
	o.t.Helper()
	o.write(PDU{Sequence: o.read().Sequence, Body: &BindResp{Mode: CmdBindTransceiver}})
	synctest.Wait()
}

// answering returns the PDU as the answer to a request.
func (c *crooked) answering(seq uint32) []byte {
	b := bytes.Clone(c.pdu)
	binary.BigEndian.PutUint32(b[12:], seq)
	return b
}

func (r *raw) writeBytes(b []byte) {
	r.t.Helper()
	if _, err := r.Write(b); err != nil {
		r.t.Error(err)
	}
}

// alive checks that enquire_link is answered, and next.
func (r *raw) alive() {
	r.t.Helper()
	r.write(PDU{Sequence: 4711, Body: EnquireLink{}})
	if p, err := r.next(); err != nil || p.Command() != CmdEnquireLink|respBit || p.Sequence != 4711 {
		r.t.Errorf("the next PDU is %v %v %d (%v), want the answer to enquire_link", p.Command(), p.Status, p.Sequence, err)
	}
}

func (c *crooked) toBind(t *testing.T) {
	o := newOnRaw(t)
	defer o.done()
	o.writeBytes(c.answering(o.read().Sequence))
	synctest.Wait()
	if got := map[bool]string{true: "bound", false: "unbound"}[o.client.Bound() == 1]; got != c.must {
		t.Errorf("%s, want %s", got, c.must)
	}
	if c.must == "bound" {
		o.alive()
	}
}

func (c *crooked) toSubmit(t *testing.T) {
	o := newOnRaw(t)
	defer o.done()
	o.bound()
	for range 2 * badInARow {
		outcome := make(chan string, 1)
		go func() {
			id, err := o.client.Submit(within(time.Minute), hello)
			outcome <- outcomeOf(id, err)
		}()
		o.writeBytes(c.answering(o.read().Sequence))
		if got := <-outcome; got != c.must {
			t.Fatalf("%s, want %s", got, c.must)
		}
	}
	o.alive()
}

func outcomeOf(id string, err error) string {
	var st Status
	switch {
	case err == nil && strings.IndexFunc(id, func(r rune) bool { return r < ' ' || r > '~' }) >= 0:
		return "taken " + strings.Trim(fmt.Sprintf("%+q", id), `"`)
	case err == nil:
		return strings.TrimSpace("taken " + id)
	case errors.Is(err, ErrTimeout) && errors.As(err, &st):
		return "unanswered, with a status: " + err.Error()
	case errors.Is(err, ErrTimeout):
		return "unanswered"
	case errors.As(err, &st):
		return "refused " + st.String()
	}
	return err.Error()
}

// toClient sends a request, or something like it.
func (c *crooked) toClient(t *testing.T) {
	o := newOnRaw(t)
	defer o.done()
	o.bound()
	if c.must == "ends" {
		c.ends(o.raw)
		return
	}
	content, delivered := strings.CutPrefix(c.must, "delivered ")
	content, answered, _ := strings.Cut(content, ", ")
	if !delivered {
		content, answered = "", c.must
	}
	for range 2 * badInARow {
		o.writeBytes(c.pdu)
		c.answered(o.raw, answered)
		switch got := ""; {
		case len(o.delivered) > 1 || delivered != (len(o.delivered) == 1):
			t.Fatalf("%d messages for the handler", len(o.delivered))
		case delivered:
			if got = <-o.delivered; got != strings.TrimPrefix(content, "nothing") {
				t.Fatalf("delivered %s, want %s", got, content)
			}
		}
	}
	o.alive()
}

// answered checks what comes back.
func (c *crooked) answered(r *raw, want string) {
	r.t.Helper()
	if want == "ignored" {
		r.alive()
		return
	}
	p, err := r.next()
	if got := fmt.Sprintf("answered %v %v", p.Command(), p.Status.String()); err != nil || got != want {
		r.t.Fatalf("%s (%v), want %s", got, err, want)
	}
	if seq := parseHeader(c.pdu).seq; p.Sequence != seq {
		r.t.Fatalf("the answer has the sequence number %d, want %d", p.Sequence, seq)
	}
}

// ends checks that the connection ends, with or without a generic_nack.
func (c *crooked) ends(r *raw) {
	go func() { _, _ = r.Write(c.pdu) }()
	for {
		p, err := r.next()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				r.t.Error(err)
			}
			return
		}
		if p.Command() != CmdGenericNack {
			r.t.Fatalf("%v", p.Command())
		}
	}
}

func (c *crooked) toServer(t *testing.T) {
	s, r := serve(t, ServerConfig{
		EnquireLink: time.Hour,
		Submit:      submits(func(context.Context, *Session, *SubmitSM) (string, Status) { return "1", StatusOK }),
	})
	defer func() { _ = r.Close(); s.Close() }()
	if parseHeader(c.pdu).cmd != CmdBindTransceiver {
		r.bind(CmdBindTransceiver)
	}
	for range 2 * badInARow {
		r.writeBytes(c.pdu)
		c.answered(r, c.must)
	}
	r.alive()
}
