// Package eventtest collects the events of a test, so that it can check what an
// entrance records of a call.
//
// Only tests import it. It must not know any entrance.
package eventtest
