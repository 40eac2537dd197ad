package control

import (
	"context"
	"net/http"
)

// Health says whether a sandbox is ready.
type Health struct {
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"` // why it is not ready
}

// States of a sandbox.
const (
	Starting = "starting"
	Ready    = "ready"
	Failing  = "failing" // it was ready
	Stopping = "stopping"
)

func (c *Control) healthRoutes() map[string]http.Handler {
	return map[string]http.Handler{"GET /sandbox/health": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := c.Health(r.Context())
		status := http.StatusOK
		if h.Status != Ready {
			status = http.StatusServiceUnavailable
		}
		c.calls.Answer(w, status, h)
	})}
}

// HealthFunc tells the state of a sandbox.
type HealthFunc func(context.Context) Health
