// Package scenario describes the users and parties of a sandbox as people write them: in
// a scenario file (YAML), in the bodies of the control API (JSON), and by the flags of the
// command line.
//
//	file, body, flags ─▶ User, Party ─▶ Check ─▶ package sandbox, which makes them real
//
// It is data and its rules. It must not know the store, HTTP, or how a phone is made.
package scenario
