// Package rest is the JSON encoding of the MSS calls, as the OpenAPI contract
// of Mobile ID describes it.
//
//	body ─▶ decoder (jsontext tokens) ─▶ signum.Request  ─▶ engine
//	body ◀─ appended by hand          ◀─ signum.Response ◀─
//
// Requests are read liberally: scalars may be strings, numbers or booleans,
// null means absent, unknown members are skipped. The decoder refuses only what
// does not have exactly one meaning: malformed JSON, duplicate members, a
// member of the wrong structure, a message that does not belong to the
// endpoint. Answers are written in one exact form: on one line, with a fixed
// order of members.
//
// The package must not know any rule of the service. A missing or wrong value
// passes through as text, and is checked behind edge.Service.
package rest
