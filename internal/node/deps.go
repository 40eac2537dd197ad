package node

import (
	"context"
	"log/slog"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/signum-mssp/signum/internal/edge"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/sim"
	"github.com/signum-mssp/signum/internal/simcards"
)

// Deps are what a node needs besides its configuration: code, not data. All are
// optional.
type Deps struct {
	Clock  mssp.Clock   // nil: the machine's
	Logger *slog.Logger // nil: nothing is logged
	// LostLines is how many lines Logger could not write, for metrics. Nil: it loses none.
	LostLines func() uint64
	Version   string // of the program, for metrics; empty: what the Go command recorded
	// Listeners are sockets that are bound already, such as those that the process inherited, by
	// ListenerNames. They replace the addresses of the configuration; the others are bound.
	Listeners map[string]net.Listener
	// Alone means that no other node uses the database, although others could.
	Alone bool
	// Place names what no other node can have at the same time, and this one has again after a
	// restart. Empty: the host with the socket of the administration and the address of parties.
	Place string
	// Metrics is where the metrics of the node are registered until it is closed. A
	// registry takes those of one node. Nil: one of its own, with those of the Go
	// runtime and the process.
	Metrics *prometheus.Registry
	Locator sim.Locator // asks the network where a SIM is; nil: no SIM can be located
	// WrapMSS goes around the handler of application providers: it sees each request
	// first and each answer last.
	WrapMSS func(http.Handler) http.Handler
	// WrapService goes between the wires and the engine.
	WrapService func(next edge.Service) edge.Service
	// WrapSIMs and WrapApps go between the engine and the channel.
	WrapSIMs, WrapApps ChannelWrapper
	// WrapAnswers goes between the phones of all channels and the engine.
	WrapAnswers func(next mssp.AnswerHandler) mssp.AnswerHandler
	// WrapStore goes between the engine and the store.
	WrapStore func(next mssp.Store) mssp.Store
	// BeforeCommit is called before each commit of the store, for tests of a slow disk; see
	// store.WithBeforeCommit.
	BeforeCommit func()
	// CardAssigned is called for each card that provisioning assigns to a subscriber
	// or takes away; see simcards.Config.
	CardAssigned func(ctx context.Context, c simcards.ImportedCard) error
	// Silent reports whether the owner of an account is not told of a change; see
	// account.Config.
	Silent func(mssp.Change) bool
}

// ChannelWrapper returns the channel that the engine uses instead of next. It may
// answer requests itself, through answers, once the node runs.
type ChannelWrapper func(next mssp.Channel, answers mssp.AnswerHandler) mssp.Channel

func (w ChannelWrapper) wrap(next mssp.Channel, answers mssp.AnswerHandler) mssp.Channel {
	if w == nil {
		return next
	}
	return w(next, answers)
}

func (d Deps) withDefaults() Deps {
	if d.Clock == nil {
		d.Clock = mssp.SystemClock{}
	}
	if d.LostLines == nil {
		d.LostLines = func() uint64 { return 0 }
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	return d
}
