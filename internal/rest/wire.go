package rest

import (
	"bytes"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/api"
	"github.com/signum-mssp/signum/internal/edge"
)

// Wire is the JSON wire. The zero value is ready to use.
type Wire struct{}

var _ edge.Wire = Wire{}

// Name implements edge.Wire.
func (Wire) Name() string { return "rest" }

// Endpoints implements edge.Wire with the paths of the OpenAPI contract, and a
// common path at which the message in the body determines the operation.
func (Wire) Endpoints() []edge.Endpoint {
	return []edge.Endpoint{
		{Path: "/rest/service/sign", Op: signum.OpSignature},
		{Path: "/rest/service/status", Op: signum.OpStatus},
		{Path: "/rest/service/receipt", Op: signum.OpReceipt},
		{Path: "/rest/service/profile", Op: signum.OpProfile},
		{Path: "/rest/service", Op: signum.OpAny},
	}
}

// Documents implements edge.Wire: the OpenAPI contract.
func (Wire) Documents() []edge.Document {
	return []edge.Document{{Path: "/rest/openapi.yaml", ContentType: "application/yaml", Body: openAPI}}
}

// openAPI returns the OpenAPI document with the base URL as its server. The
// client chose that URL (Host header), so it is quoted: every JSON string is a
// YAML scalar.
func openAPI(base string) []byte {
	return bytes.ReplaceAll(api.OpenAPI, []byte(`"`+api.Base+`"`), quote(nil, base))
}

// Accepts implements edge.Wire.
func (Wire) Accepts(mediaType string) bool {
	switch mediaType {
	case "", "application/json", "text/json":
		return true
	}
	return false
}

// ContentType implements edge.Wire.
func (Wire) ContentType() string { return "application/json;charset=UTF-8" }
