package control

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/signum-mssp/signum/internal/admin"
	"github.com/signum-mssp/signum/internal/jsonapi"
	"github.com/signum-mssp/signum/internal/mssp"
)

// Config says who may call, and what the calls act on.
type Config struct {
	Ready   <-chan struct{}                               // closed when the sandbox is ready; nil: it is
	BaseURL string                                        // of the service, for the contract
	Token   string                                        // Bearer token; empty: only certificates give access
	IsParty func(context.Context, mssp.Pin) (bool, error) // does a party have this certificate?
	Faults  Faults                                        // of a network of phones without a service
	Health  HealthFunc
	World   // of the directory
	Worlds  Worlds
	// Missing reports whether an error says that there is no such thing.
	Missing func(error) bool
	Log     *slog.Logger // nil: nothing is logged
}

// World is what calls about one world act on.
type World struct {
	Phones    Phones
	Cards     admin.Cards
	Traces    admin.Traces
	Files     Files
	Parties   Parties
	Scenarios Scenarios
	Users     Users
	Requests  Requests
}

type worldKey struct{}

// In returns a context whose calls act on another world than that of the directory. isParty
// reports whether a party of that world has a certificate.
func In(ctx context.Context, w *World, isParty func(context.Context, mssp.Pin) (bool, error)) context.Context {
	return context.WithValue(ctx, worldKey{}, &elsewhere{w, isParty})
}

type elsewhere struct {
	*World
	isParty func(context.Context, mssp.Pin) (bool, error)
}

// in returns the world that a call acts on.
func (c *Control) in(ctx context.Context) *World {
	if e, ok := ctx.Value(worldKey{}).(*elsewhere); ok {
		return e.World
	}
	return &c.World
}

// isParty reports whether a certificate gives access to the world that a call acts on. The
// parties of the directory have access to all worlds.
func (c *Control) isParty(ctx context.Context, pin mssp.Pin) (bool, error) {
	if e, ok := ctx.Value(worldKey{}).(*elsewhere); ok {
		if is, err := e.isParty(ctx, pin); is || err != nil {
			return is, err
		}
	}
	return c.IsParty(ctx, pin)
}

// Control are the handlers under /sandbox/.
type Control struct {
	Config
	calls jsonapi.Calls
}

// New returns the handlers of a sandbox.
func New(c Config) *Control {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Control{Config: c, calls: jsonapi.Calls{Missing: c.Missing, Log: c.Log}}
}

// Handlers returns all handlers by their pattern of http.ServeMux.
func (c *Control) Handlers() map[string]http.Handler {
	all := make(map[string]http.Handler)
	for _, routes := range []func() map[string]http.Handler{
		c.contractRoutes, c.healthRoutes, c.fileRoutes, c.phoneRoutes, c.cardRoutes, c.partyRoutes, c.scenarioRoutes, c.userRoutes, c.worldRoutes, c.requestRoutes,
	} {
		for pattern, h := range routes() {
			all[pattern] = h
		}
	}
	return all
}

// cardRoutes are those of the administration.
func (c *Control) cardRoutes() map[string]http.Handler {
	all := make(map[string]http.Handler)
	for name := range admin.CardHandlers(c.Cards, c.Traces, &c.calls) {
		all["POST /sandbox/"+name] = c.admit(func(w http.ResponseWriter, r *http.Request) {
			in := c.in(r.Context())
			admin.CardHandlers(in.Cards, in.Traces, &c.calls)[name](w, r)
		})
	}
	return all
}

// serve limits the body and answers in JSON: with the result, or 4xx with
// {"error": …}.
func (c *Control) serve(do func(*jsonapi.Request) (any, error)) http.Handler {
	return c.admit(func(w http.ResponseWriter, r *http.Request) { c.calls.Serve(w, r, do) })
}

// command reads the body of a request and returns the answer.
type command func(ctx context.Context, body []byte) (any, error)

// handle serves a command.
func (c *Control) handle(do command) http.Handler {
	return c.serve(func(r *jsonapi.Request) (any, error) { return do(r.Context(), r.Body) })
}
