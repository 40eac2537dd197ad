// Package edge is what the REST and the SOAP edge have in common: who speaks
// (the TLS identity of the party), the limits on what is read, the one event
// logged per request, and the way of a request through a wire and the engine
// and back.
//
//	conn ─▶ Caller ─▶ limits ─▶ Wire.Decode ─▶ Service ─▶ Wire.Append… ─▶ event
//
// It must not know how a message is encoded (that is a Wire's), and no rule of
// the service: which requests are right is decided behind Service.
package edge
