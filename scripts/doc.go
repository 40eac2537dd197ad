// Package scripts contains the shell scripts behind the Makefile and .ci/run, and tests
// of those that decide something. It has no code of its own.
//
//	deps.sh           installs what the tests need besides Go
//	test.sh           runs the tests, repeats the few that fail, prints how it ended
//	testsum           the Go program behind that line
//	fuzz.sh           runs every fuzz target
//	release.sh        builds the program for every platform, with checksums and SBOM
//	sbomcheck         the Go program that checks the SBOM against the program
//	picture           the Go program that makes README's picture
//	release-check.sh  builds a release twice and compares
package scripts
