// Package interop runs the clients and the code generators of others against a
// sandbox, over TLS with the party's certificate: what an integrator does on the first
// day. It contains tests only.
//
// A folder of testdata belongs to each. It has the program that an integrator would
// write, and the file that pins what it needs from a package registry; testkit fetches
// that once and keeps it. The test generates code from the contract that the sandbox
// serves, compiles it, and runs the program, which prints the typed values that it
// received as one transcript for all of them (transcript_test.go).
//
// The package must not know how the service works: it sees what a party sees.
package interop
