//go:build !nolab

package main

import (
	"strings"
	"testing"
)

// Users are added, changed, listed and removed, and sign as they were set.
func TestUserCommands(t *testing.T) {
	box := t.TempDir()
	startSandbox(t, "--dir", box, "--phone-delay", "10ms", "--min-timeout", "1s")
	t.Setenv(envSandbox, box)
	run := func(code int, want string, args ...string) {
		t.Helper()
		stdout, stderr, got := execute(t.Context(), newRootCmd(), "", args...)
		if got != code || !strings.Contains(stdout+stderr, want) {
			t.Errorf("signum %s: exit %d, want %d and %q\n%s%s", strings.Join(args, " "), got, code, want, stdout, stderr)
		}
	}
	const own = "+41797895164"
	run(0, "", "user", "add", own, "--methods", "sim", "--state", "pin-blocked")
	run(exitNotSigned, "402 ", "sign", own, "Pay?")
	run(0, own+"  SIM      EC   pin-blocked", "user", "list")
	run(0, "", "user", "set", own, "--state", "active", "--methods", "SIM,App", "--location", "DE", "--network", "26201")
	run(0, "Pay?", "sign", own, "Pay?")
	run(0, `"msisdn":"+41797895164","methods":["SIM","App"],"key_type":"EC","state":"ACTIVE","network":"26201","location":"DE"`, "user", "list", "--json")
	run(0, "", "user", "set", own, "--network", "", "--state", "", "--methods", "")
	run(0, own+"  SIM,App  EC   active      22801    DE        -", "user", "list")
	run(0, "", "user", "set", own, "--behaviour", "silent")
	run(exitNotSigned, "208 ", "sign", "--timeout", "1s", own, "Pay?")
	run(0, "nothing was open", "phone", "cancel", own)
	asked := make(chan string, 1)
	go func() {
		_, stderr, _ := execute(t.Context(), newRootCmd(), "", "sign", own, "Pay?")
		asked <- stderr
	}()
	for { // until the request is there
		out, _, code := execute(t.Context(), newRootCmd(), "", "phone", "cancel", own)
		if code != 0 || out != "nothing was open\n" {
			if want := "cancelled: signature of mid://sandbox, transaction "; code != 0 || !strings.HasPrefix(out, want) {
				t.Errorf("phone cancel: exit %d, %s, want %s", code, out, want)
			}
			break
		}
	}
	if stderr := <-asked; !strings.Contains(stderr, "401 ") {
		t.Errorf("the cancelled request: %s", stderr)
	}
	run(0, "", "user", "remove", "41797895164")
	run(exitRefused, "105 ", "sign", own, "Pay?")
	run(0, "", "user", "add", "+4179001*", "--methods", "SIM")
	run(0, "Pay?", "sign", "+41790010000", "Pay?")
	run(0, "+4179001*", "user", "list")
	run(0, "", "user", "set", "+41791000001", "--state", "suspended")
	run(0, "", "sandbox", "reset")
	run(0, "Pay?", "sign", "+41791000001", "Pay?")
	run(exitRefused, "105 ", "sign", "+41790010000", "Pay?")

	run(exitRefused, "no such user", "user", "remove", own)
	run(exitRefused, "no such user", "phone", "cancel", own)
	run(exitRefused, "not a phone number", "user", "add", "0797895164")
	run(1, "nothing to change", "user", "set", own)
	run(1, "--state \"asleep\": not one of active", "user", "set", own, "--state", "asleep")
	run(1, "--methods OTP: not one of", "user", "add", own, "--methods", "OTP")
}
