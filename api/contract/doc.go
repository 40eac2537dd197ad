// Package contract validates messages against the contracts in package api:
//
//	JSON  ─▶ kin-openapi ─▶ api.OpenAPI
//	SOAP  ─▶ xmllint     ─▶ the schemas in api.WSDL, the wrappers of rpc/literal, envelope.xsd
//
// It is for tests only, of the wires and of whatever speaks through them: a
// second opinion that shares no code with the encoders. It must not know a
// rule that the contracts do not have.
package contract
