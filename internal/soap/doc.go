// Package soap is the SOAP encoding of the MSS calls: the wire that the WSDL
// of Mobile ID describes (SOAP 1.2, rpc/literal, TS 102 204 messages).
//
//	body ─▶ parser (encoding/xml tokens) ─▶ signum.Request + edge.Form ─▶ engine
//	body ◀─ fixed writer                 ◀─ signum.Response + edge.Form ◀─
//
// Requests are read by local name, because clients qualify the operation and
// its part in every way there is. What they did is kept in the edge.Form, and
// the answer mirrors it: no single form satisfies all of them. Refused is what
// has no single meaning or no end: what is not well-formed, document types,
// processing instructions, repeated elements, and what exceeds the bounds.
//
// It must not know a rule of the service. A missing or wrong value passes
// through as text and is judged behind edge.Service.
package soap
