// Package webtest drives the pages in a real browser, as a person would. It is
// for tests only: of the pages by themselves, and of a whole sandbox.
//
// Whatever the browser complains about (an exception, a violation of the
// content security policy, a missing name for a screen reader) fails the test.
//
// It must not know a service, real or fake; the tests bring their own.
package webtest
