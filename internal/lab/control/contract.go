package control

import (
	"bytes"
	"encoding/json"
	"net/http"

	"github.com/signum-mssp/signum/api"
)

func (c *Control) contractRoutes() map[string]http.Handler {
	return map[string]http.Handler{"GET /sandbox/openapi.yaml": c.contract()}
}

// contract serves the contract of the control addresses, which names no secret and needs
// no access.
func (c *Control) contract() http.Handler {
	doc := api.SandboxOpenAPI
	if base, err := json.Marshal(c.BaseURL); err == nil && c.BaseURL != "" {
		doc = bytes.Replace(doc, []byte("url: "+api.Base), append([]byte("url: "), base...), 1)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		w.Header().Set("Cache-Control", "no-store") // a later version has more
		_, _ = w.Write(doc)
	})
}
