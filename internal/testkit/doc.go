// Package testkit has what the tests of several packages need: a clock that is set
// by hand, a small disk that can be full, a log and a list of events that goroutines
// write to, keys, the programs that serve as witnesses (openssl, Chromium), the
// packages of other languages that tests run, and the rule for programs that are not
// installed.
//
// The rule is [Missing]: a test that needs a program skips itself on a
// developer's machine and says what to install; it fails in CI, where the
// variable CI is set, because a check that silently does not run is no check.
//
// Only tests, helpers of tests and programs that test import this package;
// imports_test.go in the root sees to that. It knows nothing of the service, so that
// every package can use it without a cycle.
package testkit
