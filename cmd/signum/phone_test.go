//go:build !nolab

package main

import (
	"strings"
	"testing"
)

func TestPhoneCommands(t *testing.T) {
	f := newFakeService(t)
	t.Setenv(envSandbox, "")
	in := func(args ...string) []string { return append(args, "--sandbox", f.dir) }
	for _, tc := range []struct {
		name string
		args []string
		code int
		out  string
		err  string // in it
		sent string
	}{
		{"open", in("open", "mobileid://auth?session_token=t"), 0, "myapp://done\n", "", `{"auth_uri":"mobileid://auth?session_token=t"}`},
		{"open, no way back", in("open", "silent"), 0, "", "", `{"auth_uri":"silent"}`},
		{"refused", in("open", "mobileid://old"), exitRefused, "", `signum: refused by the sandbox: nothing\x1b there`, `{"auth_uri":"mobileid://old"}`},
		{"other service", in("open", "odd"), exitUnreachable, "", "is not a sandbox of this version", `{"auth_uri":"odd"}`},
		{"other answer", in("open", "garbage"), exitUnreachable, "", "(HTTP 200)", `{"auth_uri":"garbage"}`},
		{"set", in("set", "+41791000001", "cancel:5s"), 0, "", "", `{"behaviour":"cancel:5s","msisdn":"+41791000001"}`},
		{"set both", in("set", "41791000001", "approve", "--location", "DE,age=3h"), 0, "", "",
			`{"behaviour":"approve","location":"DE,age=3h","msisdn":"+41791000001"}`},
		{"move", in("set", "+41791000001", "--location", "CH"), 0, "", "", `{"location":"CH","msisdn":"+41791000001"}`},
		{"set nothing", in("set", "+41791000001"), exitLocal, "", "nothing to set", ""},
		{"other number", in("set", "+41791000009", "cancel"), exitRefused, "", "refused", `{"behaviour":"cancel","msisdn":"+41791000009"}`},
		{"no sandbox", []string{"open", "x"}, exitLocal, "", "--sandbox DIR", ""},
		{"no directory", []string{"open", "x", "--sandbox", "/nowhere"}, exitLocal, "", "make one with", ""},
	} {
		f.body = ""
		stdout, stderr, code := execute(t.Context(), newPhoneCmd(), "", tc.args...)
		if code != tc.code || stdout != tc.out || !strings.Contains(stderr, tc.err) || tc.err == "" && stderr != "" || f.body != tc.sent {
			t.Errorf("%s: exit %d\n%s%ssent %s", tc.name, code, stdout, stderr, f.body)
		}
	}

	down := newFakeService(t)
	down.server.Close()
	_, stderr, code := execute(t.Context(), newPhoneCmd(), "", "open", "x", "--sandbox", down.dir)
	if code != exitUnreachable || !strings.Contains(stderr, "is the service running") {
		t.Errorf("not running: exit %d %s", code, stderr)
	}
}
