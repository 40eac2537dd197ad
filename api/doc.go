// Package api holds the contracts that the service publishes: the OpenAPI
// document of the JSON wire, the WSDL of the SOAP wire, and the OpenAPI
// documents of the protocol of Apps and of the control of a sandbox.
//
// They describe what the service accepts and what it answers. Package contract
// tests messages against them. No code is generated from them: the wires are
// written by hand, and the documents check them independently.
package api

import _ "embed" // the documents

// Base is the address of the service in the documents. A node that serves them
// replaces it with its own.
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

// SandboxOpenAPI is how tests control a sandbox, OpenAPI 3.0.3 in YAML. Only a sandbox
// publishes it.
//
//go:embed sandbox.yaml
var SandboxOpenAPI []byte
