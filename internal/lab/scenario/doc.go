// Package scenario describes the users of a sandbox as people write them: in a scenario file
// (YAML), in the bodies of the control API (JSON), and by the flags of the command line. A
// scenario file also has parties, which package partydoc describes.
//
//	file, body, flags ─▶ User, partydoc.Party ─▶ Check ─▶ package sandbox, which makes them real
//
// It is data and its rules. It must not know the store, HTTP, or how a phone is made.
package scenario
