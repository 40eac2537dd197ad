// Package contract validates messages against the contracts in package api:
//
//	JSON  ─▶ kin-openapi ─▶ api.OpenAPI
//	JSON  ─▶ kin-openapi ─▶ mobileid.yaml, the contract of the public service (examples only)
//	SOAP  ─▶ xmllint     ─▶ the schemas in api.WSDL, the wrappers of rpc/literal, envelope.xsd
//
// It is for tests only, of the wires and of everything that uses them. It is a
// second opinion, so it shares no code with the encoders. It must not know any
// rule that is not in the contracts.
package contract
