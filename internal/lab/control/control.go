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
	BaseURL string                                        // of the service, for the contract
	Token   string                                        // Bearer token; empty: there is none
	IsParty func(context.Context, mssp.Pin) (bool, error) // does a party have this certificate?
	Phones  Phones
	Cards   Cards
	Traces  Traces
	Files   Files
	Health  HealthFunc
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
	for _, routes := range []func() map[string]http.Handler{c.contractRoutes, c.healthRoutes, c.fileRoutes, c.phoneRoutes, c.cardRoutes} {
		for pattern, h := range routes() {
			all[pattern] = h
		}
	}
	return all
}

// command reads a request and returns the answer.
type command func(ctx context.Context, body []byte) (any, error)

// handle limits the body and answers in JSON: 200 with the result, or 4xx with
// {"error": …}.
func (c *Control) handle(do command) http.Handler {
	return c.admit(func(w http.ResponseWriter, r *http.Request) {
		status, answer := http.StatusOK, any(nil)
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err == nil {
			answer, err = do(r.Context(), body)
		}
		if err != nil {
			status, answer = http.StatusBadRequest, refusal(err)
		}
		c.answer(w, status, answer)
	})
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
