package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"github.com/signum-mssp/signum/internal/mssp"
)

// maxBody limits the body of a request, in bytes.
const maxBody = 16 << 10

// Config says who may call, and what the calls act on.
type Config struct {
	Ready     <-chan struct{}                               // closed when the sandbox is ready; nil: it is
	BaseURL   string                                        // of the service, for the contract
	Token     string                                        // Bearer token; empty: only certificates give access
	IsParty   func(context.Context, mssp.Pin) (bool, error) // does a party have this certificate?
	Phones    Phones
	Cards     Cards
	Traces    Traces
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
	maxCards int64 // bytes of a file of cards
}

// New returns the handlers of a sandbox.
func New(c Config) *Control {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Control{Config: c, maxCards: maxCards}
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

// request is a call that has access, with its body.
type request struct {
	*http.Request
	body   []byte
	status int // of the answer if there is no error
}

// serve limits the body and answers in JSON: with the result, or 4xx with
// {"error": …}.
func (c *Control) serve(do func(*request) (any, error)) http.Handler {
	return c.admit(func(w http.ResponseWriter, r *http.Request) {
		in := &request{Request: r, status: http.StatusOK}
		answer, err := any(nil), error(nil)
		if in.body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody)); err == nil {
			answer, err = do(in)
		}
		switch {
		case err != nil && c.Missing != nil && c.Missing(err):
			c.answer(w, http.StatusNotFound, refusal(err))
		case err != nil:
			c.answer(w, http.StatusBadRequest, refusal(err))
		case in.status == http.StatusNoContent:
			w.WriteHeader(in.status)
		default:
			c.answer(w, in.status, answer)
		}
	})
}

// command reads the body of a request and returns the answer.
type command func(ctx context.Context, body []byte) (any, error)

// handle serves a command.
func (c *Control) handle(do command) http.Handler {
	return c.serve(func(r *request) (any, error) { return do(r.Context(), r.body) })
}

// strict decodes one JSON object and refuses unknown members, so that a typing
// error does not pass for success.
func strict(body []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return fmt.Errorf("the body is not the expected JSON: %w", err)
	}
	return nil
}

func refusal(err error) map[string]string { return map[string]string{"error": err.Error()} }

// answer sends a JSON answer.
func (c *Control) answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		c.Log.Debug("control answer not sent", "err", err)
	}
}
