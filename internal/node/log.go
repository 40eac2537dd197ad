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

// newLogs keeps an outage, or a stranger who breaks connections, from flooding the
// log: of the warnings and errors of one kind, and of what net/http says, one line a
// minute is written, with a count.
func (n *Node) newLogs() {
	handler := n.deps.Logger.Handler()
	suppressed := func(kind string) func(int) {
		n.metrics.Suppressed(kind, 0)
		return func(lines int) { n.metrics.Suppressed(kind, lines) }
	}
	suppressed(callLines)
	parts := event.NewSampled(handler, slog.LevelWarn, suppressed(logLines))
	web := event.NewSampled(handler, slog.LevelInfo, suppressed(httpLines))
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
