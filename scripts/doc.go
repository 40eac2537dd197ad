// Package scripts has no code: it is the directory of the shell scripts behind
// the Makefile and .ci/run, and its tests run those that decide something.
//
//	deps.sh           installs what the tests need besides Go
//	test.sh           runs the tests, reruns the few that fail, says how it ended
//	testsum           is the Go program that finds that out
//	fuzz.sh           runs every fuzz target
//	release.sh        builds the program for every platform, with checksums and SBOM
//	sbomcheck         is the Go program that checks the SBOM against the program
//	release-check.sh  builds a release twice and compares
package scripts
