// Command testsum reads what "go test -json" wrote in a run that reran failed
// tests, and prints the result: each test that needed its second chance, each
// failure, and a last line of one form:
//
//	flaky: PACKAGE.TEST
//	failed: PACKAGE.TEST
//	failed: PACKAGE
//	DONE 120 tests, 2 skipped, 1 flaky, 0 failures in 61s
//
// It exits with 1 unless there is no failure. A failed test may redeem itself
// by passing when it is run again. A package cannot: where it does not build,
// where its process ends before its tests do, or where it fails although every
// test passed (a leak, a race after the tests), a second run of single tests
// proves nothing.
//
// A test that only failed because of its subtests is not a failure of its own.
// Where the variable CI is set, a skipped test is a failure.
//
// It knows the output of go test, and nothing of the project.
package main
