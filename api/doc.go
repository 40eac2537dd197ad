// Package api holds the contracts of the service as its clients get them: the
// OpenAPI document of the JSON wire and the WSDL of the SOAP wire.
//
// They describe what is taken and what is answered; package contract tests
// messages against them. No code is generated from them here: both wires are
// written by hand, and the documents are a witness of them.
package api

import _ "embed" // the documents

// Base is the address of the service in both documents. Who serves them puts
// its own there.
const Base = "https://127.0.0.1:8443"

// OpenAPI is the contract of the JSON wire, OpenAPI 3.0.3 in YAML.
//
//go:embed openapi.yaml
var OpenAPI []byte

// WSDL is the contract of the SOAP wire, WSDL 1.1 with SOAP 1.2 bindings.
//
//go:embed signum.wsdl
var WSDL []byte

// AppOpenAPI is the protocol of Apps (docs/app-protocol.md), OpenAPI 3.0.3 in
// YAML.
//
//go:embed app.yaml
var AppOpenAPI []byte
