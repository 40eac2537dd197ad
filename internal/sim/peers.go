package sim

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/smpp"
)

// This file is about messages of phones that arrive at another node than the one that
// sent the request. That node alone sends, so it must learn what the card said.

// Peers are the other nodes that share the store.
type Peers interface {
	// Peers is how many other nodes live.
	Peers() int
	// ID is of this node.
	ID() string
	// Slot is a number from 0 to mssp.MaxNodes-1 that no other living node has.
	Slot() int
	// Publish tells the other nodes something, as far as they hear it.
	Publish(topic, data string)
}

// Topic is what channels publish: see Channel.Hear.
const Topic = "sim"

// What a notice is about.
const (
	newsProof = "proof" // MSISDN, device, counter, status: a secured proof of receipt
	newsStep  = "step"  // transaction, device: the card has finished the first step of an activation
	newsBusy  = "busy"  // transaction, device, step: the card shows something else
	newsSent  = "sent"  // SMSC cluster, two numbers, state, one or two message IDs: a delivery receipt
)

// shared reports whether other nodes may get messages of phones that this one asked.
func (c *Channel) shared() bool { return c.cfg.Peers != nil && c.cfg.Peers.Peers() > 0 }

// foreign reports whether another node sends a request.
func (c *Channel) foreign(r *mssp.DeviceRequest) bool {
	return c.cfg.Peers != nil && r.Owner != "" && r.Owner != c.cfg.Peers.ID()
}

// publish tells the other nodes. No part of it may contain a space.
func (c *Channel) publish(parts ...string) { c.cfg.Peers.Publish(Topic, strings.Join(parts, " ")) }

// publishProof tells the other nodes about a proof of a packet that this one did not
// send. Only the card can have made a secured proof; anybody can make another one, so
// that one stays where it arrived.
func (c *Channel) publishProof(in *arrival, r *scp80.Response, secured bool) {
	if secured && c.shared() {
		c.publish(newsProof, in.msisdn, in.card.DeviceID, strconv.FormatUint(r.Counter, 10), strconv.Itoa(int(r.Status)))
	}
}

// publishReceipt tells the other nodes about a delivery receipt for a message that this one did
// not send.
func (c *Channel) publishReceipt(phones []string, r receiptOf) {
	if !c.shared() {
		return
	}
	parts := []string{newsSent, r.ids[0].cluster, phones[0], phones[1], strconv.Itoa(int(r.State))}
	for _, id := range r.ids {
		parts = append(parts, id.id)
	}
	for i, p := range parts {
		parts[i] = url.QueryEscape(p) // SMSCs choose names and IDs
	}
	c.publish(parts...)
}

// hearReceipt applies a delivery receipt, as if it had arrived here.
func (c *Channel) hearReceipt(f []string) {
	for i := range f {
		var err error
		if f[i], err = url.QueryUnescape(f[i]); err != nil {
			return
		}
	}
	state, err := strconv.ParseUint(f[3], 10, 8)
	if err != nil {
		return
	}
	r := receiptOf{Receipt: &smpp.Receipt{MessageID: f[4], State: smpp.State(state)}}
	for _, id := range f[4:] {
		r.ids = append(r.ids, messageID{f[0], id})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	if q, _ := c.received(f[1:3], r, c.now()); q != nil {
		c.trace.note(q.MSISDN, q.TransID, c.now(), "another node got the delivery receipt: "+r.State.String())
	}
}

// Hear hears from another node. It returns soon.
func (c *Channel) Hear(_, data string) {
	f := strings.Split(data, " ")
	switch {
	case f[0] == newsProof && len(f) == 5:
		counter, err := strconv.ParseUint(f[3], 10, 64)
		status, serr := strconv.ParseUint(f[4], 10, 8)
		if err == nil && serr == nil {
			c.hearProof(f[1], f[2], &scp80.Response{Counter: counter, Status: scp80.Status(status)})
		}
	case f[0] == newsStep && len(f) == 3:
		c.hearReply(f[1], f[2], &applet.Reply{Op: applet.SetPIN, Result: applet.OK})
	case f[0] == newsSent && (len(f) == 6 || len(f) == 7):
		c.hearReceipt(f[1:])
	case f[0] == newsBusy && len(f) == 4:
		if step, err := strconv.ParseUint(f[3], 10, 8); err == nil {
			c.hearReply(f[1], f[2], &applet.Reply{Op: applet.Op(step), Result: applet.Busy})
		}
	}
}

// hearProof applies a secured proof of receipt, as if it had arrived here.
func (c *Channel) hearProof(msisdn, deviceID string, r *scp80.Response) {
	in := &arrival{msisdn: msisdn, at: c.now(), event: new(event.Event), card: &mssp.Card{DeviceID: deviceID}}
	c.mu.Lock()
	defer c.mu.Unlock()
	q, which := c.table.sent(in, r, true)
	if q == nil || c.closed {
		return
	}
	in.card.ICCID = q.iccid
	c.trace.note(msisdn, q.TransID, in.at, "another node got the proof of receipt: "+r.Status.String())
	if r.Status == scp80.OK {
		c.accepted(q, which, in.at)
	} else {
		c.rejected(q, r.Status, true, which, in)
	}
}

// hearReply applies a reply that does not end its request.
func (c *Channel) hearReply(transID, deviceID string, rep *applet.Reply) {
	c.mu.Lock()
	q := c.table.find(applet.TransactionID(transID), deviceID, rep.Op)
	c.mu.Unlock()
	if q != nil && q.TransID == transID {
		c.trace.note(q.MSISDN, transID, c.now(), fmt.Sprintf("another node got the reply: %s %s", rep.Op, rep.Result))
		c.take(q, rep, c.now())
		if rep.Op == applet.SetPIN { // the other node has written the step
			c.mu.Lock()
			q.flags |= written
			if q.state == ended {
				c.forget(q)
			}
			c.mu.Unlock()
		}
	}
}

// errRelayed means that the node that sends the request was told.
var errRelayed = errors.New("told to the node that sends the request")

// relay hands a reply that does not end its request to the node that sends it. The step of
// an activation is in the store before the SMSC hears that the message has arrived, so that the
// node that goes on when the sender has died knows it. The error is errRelayed if that was
// all there is to do.
func (c *Channel) relay(ctx context.Context, r *mssp.DeviceRequest, rep *applet.Reply, now time.Time) error {
	switch {
	case !c.foreign(r):
		return nil
	case rep.Result == applet.Busy:
		c.publish(newsBusy, r.TransID, r.DeviceID, strconv.Itoa(int(rep.Op)))
		return errRelayed
	case rep.Op == applet.SetPIN && rep.Result == applet.OK:
		q := newRequest(*r, new(Retry), now)
		q.step = applet.GenKey
		row := q.row()
		row.Unknown = true
		if err := c.cfg.Outbox.PutSIMRequest(ctx, row); err != nil {
			return fmt.Errorf("step of a request: %w", err)
		}
		c.publish(newsStep, r.TransID, r.DeviceID)
		return errRelayed
	}
	return nil
}
