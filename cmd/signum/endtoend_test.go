//go:build !nolab

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/testkit"
)

// TestEndToEnd runs the party's commands against a sandbox, over both wires.
func TestEndToEnd(t *testing.T) {
	box := t.TempDir()
	startSandbox(t, "--dir", box, "--phone-delay", "10ms")
	t.Setenv(envSandbox, box)
	txn := filepath.Join(t.TempDir(), "txn.json")
	const payment = `{"type":"Payment","dtbd":[{"key":"To","value":"Zoë"},{"key":"CHF","value":"10.00"}]}`
	if err := os.WriteFile(txn, []byte(payment), 0o600); err != nil {
		t.Fatal(err)
	}
	// run executes a command and checks its exit code and output.
	run := func(code int, want string, args ...string) string {
		t.Helper()
		stdout, stderr, got := execute(t.Context(), newRootCmd(), "", args...)
		if got != code || !strings.Contains(stdout+stderr, want) {
			t.Fatalf("signum %s: exit %d, want %d and %q\n%s%s", strings.Join(args, " "), got, code, want, stdout, stderr)
		}
		return stdout
	}
	field := func(jsonLine, name string) string {
		t.Helper()
		_, after, ok := strings.Cut(jsonLine, `"`+name+`":"`)
		value, _, _ := strings.Cut(after, `"`)
		if !ok {
			t.Fatalf("no %s in %s", name, jsonLine)
		}
		return value
	}
	for _, wire := range []string{"--soap=false", "--soap"} {
		run(0, "App 1   ACTIVE", "profile", wire, "+41791000003")
		run(exitRefused, "105 UNKNOWN_CLIENT", "profile", wire, "+41791000004")

		run(0, `Sandbox: Zoë`, "sign", wire, "--txn", txn, "+41791000002")
		run(0, "Network      228", "sign", wire, "--subscriber-info", "--validate", "+41791000001", "Hello")
		run(0, "Location     CH, within", "sign", wire, "--profile", "geo", "--geofence-allow", "CH", "+41791000002", "Hello")
		run(exitNotSigned, "450 GEOFENCING", "sign", wire, "--profile", "geo", "--geofence-deny", "CH", "+41791000002", "Hello")
		run(0, "100 REQUEST_OK", "sign", wire, "--profile", "otp", "+41791000001", "1234")
		run(0, "100 REQUEST_OK", "sign", wire, "--profile", "otp", "--async", "--interval", "10ms", "+41791000001", "1234")

		run(0, "verification_code ", "sign", wire, "--verification-code", "--interval", "10ms", "+41791000003", "Hello")

		id := field(run(0, "", "sign", wire, "--json", "+41791000001", "Hello"), "trans_id")
		run(0, "pressed OK", "receipt", wire, id, "+41791000001", "Paid")
		run(exitRefused, "Receipt already sent", "receipt", wire, id, "+41791000001", "Paid")

		id = field(run(0, "", "sign", wire, "--json", "+41791000001", "Hello"), "trans_id")
		run(0, "", "phone", "set", "+41791000001", "cancel:10ms")
		run(0, `"user_answer":"CANCEL"`, "receipt", wire, "--json", id, "+41791000001", "Paid")
		run(0, "", "phone", "set", "+41791000001", "approve")

		id = field(run(0, "", "sign", wire, "--json", "+41791000005", "Hello"), "trans_id")
		sim := filepath.Join(t.TempDir(), "sim.b64")
		der := field(run(0, "", "profile", wire, "--json", "+41791000005"), "der")
		if err := os.WriteFile(sim, []byte(der), 0o600); err != nil {
			t.Fatal(err)
		}
		run(0, "pressed OK", "receipt", wire, "--encrypt", sim, id, "+41791000005", "PUK 1234")
	}
	run(exitRefused, "refused by the sandbox", "phone", "open", "mobileid://auth?session_token=x")
	run(exitRefused, "refused by the sandbox", "phone", "set", "+41791000001", "dance")

	invited := run(0, "", "user", "invite", "--json", "+41 79 123 45 67")
	if url, code := field(invited, "url"), field(invited, "code"); !strings.HasPrefix(url, "http://localhost:") || !strings.HasSuffix(url, "/phone?code="+code) {
		t.Errorf("invited: %s", invited)
	}
	run(0, "Code         ", "user", "invite", "41791234567")
	run(0, "▀", "user", "invite", "--qr", "--trusted", "+41791000002")
	run(exitRefused, "not the number of a mobile user", "user", "invite", "+4179")
}

// TestEndToEndApp2App: the command prints the address while the request waits, and the phone asks
// once the address is opened.
func TestEndToEndApp2App(t *testing.T) {
	box := t.TempDir()
	startSandbox(t, "--dir", box, "--phone-delay", "10ms")
	t.Setenv(envSandbox, box)
	cmd := newRootCmd()
	out, errs := new(testkit.Buffer), new(testkit.Buffer)
	cmd.SetOut(out)
	cmd.SetErr(errs)
	cmd.SetArgs([]string{"sign", "--app2app", "myapp://done", "--interval", "20ms", "+41791000002", "Hello"})
	signed := make(chan error, 1)
	go func() { signed <- cmd.ExecuteContext(t.Context()) }()
	var uri string
	for end := time.Now().Add(2 * time.Minute); uri == "" && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if line, _, whole := strings.Cut(errs.String(), "\n"); whole {
			uri = strings.TrimPrefix(line, "auth_uri ")
		}
	}
	if !strings.Contains(uri, "session_token=") {
		t.Fatalf("%s%s", out, errs)
	}
	stdout, stderr, code := execute(t.Context(), newRootCmd(), "", "phone", "open", uri)
	if code != 0 || stdout != "myapp://done\n" {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	if err := <-signed; err != nil || !strings.Contains(out.String(), "Verified     yes") {
		t.Errorf("%v\n%s%s", err, out, errs)
	}
}
