package control

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/signum-mssp/signum/api/contract"
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

// The contract has all addresses, and no others.
func TestAddressesAreDocumented(t *testing.T) {
	documented, err := contract.SandboxOperations()
	if err != nil {
		t.Fatal(err)
	}
	var served []string
	for pattern := range New(Config{}).Handlers() {
		served = append(served, strings.TrimSuffix(pattern, "{$}"))
	}
	slices.Sort(documented)
	slices.Sort(served)
	if diff := cmp.Diff(documented, served); diff != "" {
		t.Errorf("in the contract (-) and served (+):\n%s", diff)
	}
}
