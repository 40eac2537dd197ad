package node

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/sim"
	"github.com/signum-mssp/signum/internal/simcards"
)

// Deps are what a node is given besides its configuration: code, not data. All
// of them may be absent.
type Deps struct {
	Clock  mssp.Clock   // nil: the machine's
	Logger *slog.Logger // nil: nothing is logged
	// Metrics is where the metrics of the node are registered until it is closed. A
	// registry takes those of one node. Nil: one of its own, with those of the Go
	// runtime and the process.
	Metrics *prometheus.Registry
	Locator sim.Locator // asks the network where a SIM is; nil: no SIM can be located
	// WrapMSS is put around the handler of application providers: it sees each
	// request before anything else does, and each answer after.
	WrapMSS func(http.Handler) http.Handler
	// WrapSIMs and WrapApps are put between the engine and the channel.
	WrapSIMs, WrapApps ChannelWrapper
	// CardAssigned is told of each card that provisioning gives to a subscriber
	// or takes away: see simcards.Config.
	CardAssigned func(ctx context.Context, c simcards.ImportedCard) error
}

// ChannelWrapper returns what the engine gets in the place of a channel. It may
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
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	return d
}
