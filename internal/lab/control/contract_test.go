package control

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// TestContract: anybody can read the contract, which names the address of this sandbox.
func TestContract(t *testing.T) {
	const base = "https://signum.test:8443"
	w := httptest.NewRecorder()
	New(Config{BaseURL: base}).Handlers()["GET /sandbox/openapi.yaml"].ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/sandbox/openapi.yaml", nil))
	doc, err := openapi3.NewLoader().LoadFromData(w.Body.Bytes())
	if err != nil || w.Code != 200 || doc.Servers[0].URL != base {
		t.Errorf("%d, %v, %+v", w.Code, err, doc)
	}
}
