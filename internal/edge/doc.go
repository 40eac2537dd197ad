// Package edge is what the REST and the SOAP edge have in common: it identifies
// the party by its TLS certificate, limits what it reads, takes a request through
// a wire to the service and back, and records one event for each request.
//
//	conn ─▶ Caller ─▶ limits ─▶ Wire.Decode ─▶ Service ─▶ Wire.Append… ─▶ event
//
// It must not know how a message is encoded, which is the Wire's business, nor any
// rule: the Service decides whether a request is right.
package edge
