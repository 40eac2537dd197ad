// Package partydoc describes parties (application providers) as people write them: in
// scenario files (YAML), in the bodies of the interfaces for operators and for tests (JSON),
// and by the flags of the command line.
//
//	file, body, flags ─▶ Party ─▶ Check, CheckCertificates ─▶ Stored ─▶ mssp.Party
//	                                                           Of    ◀─ mssp.Party
//
// It is data and its rules. It must not know the store, HTTP, or who may change a party.
package partydoc
