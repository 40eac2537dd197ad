package smpp

import (
	"context"
	"net"
	"time"

	"github.com/signum-mssp/signum/internal/event"
)

// Of the events of this package. A handler of deliver_sm replaces opDeliver when
// it knows what the message is, and has reasons of its own.
const (
	entrance  = "smpp"
	opDeliver = "deliver"
	opPDU     = "pdu" // unreadable

	reasonMalformed = "malformed"
	reasonBusy      = "busy"    // as many messages as allowed are being handled
	reasonDropped   = "dropped" // its handling panicked too often
)

// unreadable emits the event of a PDU that cannot be read.
func (c *conn) unreadable(err *ProtocolError) {
	e := c.cfg.events.Begin(entrance, opPDU, c.source)
	e.Status, e.Reason, e.Note = int(err.Status), reasonMalformed, event.Clip(err.Error())
	c.cfg.events.Sample(e)
	c.cfg.events.Emit(context.Background(), e)
}

// hostOf is an address without its port.
func hostOf(a net.Addr) string {
	if host, _, err := net.SplitHostPort(a.String()); err == nil {
		return host
	}
	return a.String()
}

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }
