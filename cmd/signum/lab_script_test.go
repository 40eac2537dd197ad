//go:build !nolab

package main

import (
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/signum-mssp/signum/internal/lab/phones"
)

func init() {
	labScripts["sandbox"] = func(ts *testscript.TestScript, neg bool, args []string) {
		said, stop := serveSandbox(append([]string{"--dir", ts.MkAbs(args[0])}, args[1:]...)...)
		ts.Defer(func() { ts.Check(stop()) })
		ts.Logf("%s", said)
	}
	labScripts["phones"] = func(ts *testscript.TestScript, neg bool, args []string) {
		n, err := phones.Open(phones.Config{Dir: ts.MkAbs(args[0]), Addr: "127.0.0.1:0", First: args[1], Users: 2})
		ts.Check(err)
		ts.Defer(func() { ts.Check(n.Close()) })
		for key, value := range map[string]string{
			"NAME": "lab", "ADDRESS": n.Info.Address, "SYSTEM_ID": n.Info.SystemIDs[0], "PASSWORD": n.Info.Password,
		} {
			ts.Setenv("SIGNUM_SIM_SMSCS_0_"+key, value)
		}
	}
}
