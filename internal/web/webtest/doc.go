// Package webtest drives the pages in a real browser, as a person would. It is for
// tests only, of single pages and of a whole sandbox.
//
// An exception, a violation of the content security policy or a missing name for
// screen readers fails the test.
//
// It must not know a service, real or fake; the tests bring their own.
package webtest
