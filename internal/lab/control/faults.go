package control

import (
	"context"
	"net/http"

	"github.com/signum-mssp/signum/internal/jsonapi"
)

// Faults makes faults on the way to phones and back, given as text.
type Faults interface {
	SetFaults(text string) error
}

// PhoneHandlers returns the handlers that are about phones, and about faults on the way to
// them, for a network of phones without a service.
func (c *Control) PhoneHandlers() map[string]http.Handler {
	all := c.phoneRoutes()
	all["POST /sandbox/faults"] = c.handle(c.faults)
	return all
}

// faults sets what goes wrong with messages from now on: {"faults": "loss=0.1,delay=2s"};
// an empty text means nothing.
func (c *Control) faults(_ context.Context, body []byte) (any, error) {
	var in struct {
		Faults string `json:"faults"`
	}
	if err := jsonapi.Decode(body, &in); err != nil {
		return nil, err
	}
	return struct{}{}, c.Faults.SetFaults(in.Faults)
}
