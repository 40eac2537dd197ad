// Package rest is the JSON encoding of the MSS calls: the wire that the
// OpenAPI contract of Mobile ID describes.
//
//	body ─▶ decoder (jsontext tokens) ─▶ signum.Request  ─▶ engine
//	body ◀─ appended by hand          ◀─ signum.Response ◀─
//
// Requests are read liberally: scalars may be strings, numbers or booleans,
// null is absence, unknown members are skipped. What is refused is only what
// has no single meaning: malformed JSON, duplicate members, a member of the
// wrong structure, a message that is not the endpoint's. Answers are written
// exactly, on one line, in one order of members.
//
// It must not know a rule of the service. A missing or wrong value passes
// through as text and is judged behind edge.Service.
package rest
