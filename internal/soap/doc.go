// Package soap is the SOAP encoding of the MSS calls, as the WSDL of Mobile ID
// describes it (SOAP 1.2, rpc/literal, TS 102 204 messages).
//
//	body ─▶ parser (encoding/xml tokens) ─▶ signum.Request + edge.Form ─▶ engine
//	body ◀─ fixed writer                 ◀─ signum.Response + edge.Form ◀─
//
// Elements are read by local name, because clients qualify the operation and
// its part in every possible way. The edge.Form records how the client did it,
// and the answer mirrors that, because no single form satisfies all clients.
// The parser refuses what does not have exactly one meaning or exceeds a limit:
// malformed XML, document types, processing instructions, repeated elements,
// documents that are too deep or too long.
//
// The package must not know any rule of the service. A missing or wrong value
// passes through as text, and is checked behind edge.Service.
package soap
