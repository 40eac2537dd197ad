package control

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/signum-mssp/signum/internal/lab/scenario"
)

// Scenarios are the users and parties of a sandbox as a whole.
type Scenarios interface {
	Scenario(ctx context.Context) (*scenario.Scenario, error)
	// ApplyScenario changes nothing if the scenario has a fault.
	ApplyScenario(ctx context.Context, s *scenario.Scenario) error
}

func (c *Control) scenarioRoutes() map[string]http.Handler {
	return map[string]http.Handler{
		"GET /sandbox/v1/scenario": c.admit(c.exportScenario),
		"PUT /sandbox/v1/scenario": c.admit(c.applyScenario),
	}
}

func (c *Control) exportScenario(w http.ResponseWriter, r *http.Request) {
	s, err := c.in(r.Context()).Scenarios.Scenario(r.Context())
	var text []byte
	if err == nil {
		text, err = s.Format()
	}
	if err != nil {
		c.Log.Error("control: the scenario cannot be written", "err", err)
		c.calls.Refuse(w, http.StatusInternalServerError, errors.New("the users and parties cannot be read at the moment"))
		return
	}
	w.Header().Set("Content-Type", "application/yaml")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(text)
}

// applyScenario reads YAML, of which JSON is a part.
func (c *Control) applyScenario(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, scenario.MaxSize))
	var s *scenario.Scenario
	if err == nil {
		s, err = scenario.Parse("scenario", data, nil)
	}
	if err == nil {
		err = c.in(r.Context()).Scenarios.ApplyScenario(r.Context(), s)
	}
	if err != nil {
		c.calls.Refuse(w, http.StatusBadRequest, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
