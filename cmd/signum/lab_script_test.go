//go:build !nolab

package main

import (
	"github.com/rogpeppe/go-internal/testscript"
)

func init() {
	labScripts["sandbox"] = func(ts *testscript.TestScript, neg bool, args []string) {
		said, stop := serveSandbox(append([]string{"--dir", ts.MkAbs(args[0])}, args[1:]...)...)
		ts.Defer(func() { ts.Check(stop()) })
		ts.Logf("%s", said)
	}
}
