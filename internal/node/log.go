package node

import (
	"log/slog"

	"github.com/signum-mssp/signum/internal/event"
)

// Kinds of lines that are counted instead of written when they repeat.
const (
	callLines = "call" // of calls, see event.Recorder
	logLines  = "log"  // warnings and errors of the parts
	httpLines = "http" // what net/http complains about
)

// fewLines of a kind are written in a minute. They show what the lines have in
// common, such as one device or one address.
const fewLines = 10

// newLogs keeps an outage, or a stranger who breaks connections, from flooding the
// log. Of the warnings and errors of one kind a few a minute are written, of what
// net/http says one; the others are counted.
func (n *Node) newLogs() {
	handler := n.deps.Logger.Handler()
	suppressed := func(kind string) func(int) {
		n.metrics.Suppressed(kind, 0)
		return func(lines int) { n.metrics.Suppressed(kind, lines) }
	}
	suppressed(callLines)
	parts := event.NewSampled(handler, slog.LevelWarn, fewLines, suppressed(logLines))
	web := event.NewSampled(handler, slog.LevelInfo, 1, suppressed(httpLines))
	n.deps.Logger = slog.New(parts)
	// At info: most of it is about clients that end a TLS handshake.
	n.httpLog = slog.NewLogLogger(web, slog.LevelInfo)
	n.events = event.New(n.deps.Clock, n.deps.Logger, n.metrics)
	n.onClose(func() error {
		n.events.Close()
		parts.Close()
		web.Close()
		return nil
	})
}
