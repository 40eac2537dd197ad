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
	Ready     <-chan struct{}                               // closed when the sandbox is ready; nil: it is
	BaseURL   string                                        // of the service, for the contract
	Token     string                                        // Bearer token; empty: only certificates give access
	IsParty   func(context.Context, mssp.Pin) (bool, error) // does a party have this certificate?
	Phones    Phones
	Faults    Faults // of a network of phones without a service
	Cards     admin.Cards
	Traces    admin.Traces
	Files     Files
	Health    HealthFunc
	Parties   Parties
	Scenarios Scenarios
	// Missing reports whether an error says that there is no such thing.
	Missing func(error) bool
	Users   Users
	Log     *slog.Logger // nil: nothing is logged
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
		c.contractRoutes, c.healthRoutes, c.fileRoutes, c.phoneRoutes, c.cardRoutes, c.partyRoutes, c.scenarioRoutes, c.userRoutes,
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
	for name, h := range admin.CardHandlers(c.Cards, c.Traces, &c.calls) {
		all["POST /sandbox/"+name] = c.admit(h)
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
