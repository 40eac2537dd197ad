// Package control is the sandbox's own HTTP interface: what a test does to a sandbox
// over the address of the service, in place of a person at the phones or an operator
// at the SIM cards.
//
//	request ─▶ access (certificate of a party, or token) ─▶ body, limited ─▶ the sandbox ─▶ JSON
//
// A file holds the handlers of one subject (users, phones, SIM cards, …) and the interface
// by which they use the sandbox. The contract is api.Sandbox, which /sandbox/openapi.yaml
// serves; whatever is added here is added there.
//
// The package must not know how a sandbox works: it decodes, limits and refuses, and
// leaves the rest to the interfaces in Config.
package control
