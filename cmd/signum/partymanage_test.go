//go:build !nolab

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/client"
)

// TestPartyCommands: parties are added, changed, listed and removed, and sign as they were
// set.
func TestPartyCommands(t *testing.T) {
	box, own := t.TempDir(), filepath.Join(t.TempDir(), "own.pem")
	startSandbox(t, "--dir", box, "--phone-delay", "10ms")
	t.Setenv(envSandbox, box)
	secret := filepath.Join(t.TempDir(), "ap_pwd")
	if err := os.WriteFile(secret, []byte("sesame\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(code int, want string, args ...string) {
		t.Helper()
		stdout, stderr, got := execute(t.Context(), newRootCmd(), "", args...)
		if got != code || !strings.Contains(stdout+stderr, want) {
			t.Errorf("signum %s: exit %d, want %d and %q\n%s%s", strings.Join(args, " "), got, code, want, stdout, stderr)
		}
	}
	const bank, user = "mid://bank.example", "+41791000001"
	run(0, "", "party", "add", bank, "--prefix", "Bank: ", "--lang", "de", "--password-file", secret, "--auto-activation=false")
	run(0, `mid://bank.example   -                     "Bank: "     de    AP_PWD`, "party", "list")
	run(0, `"auto_activation":false`, "party", "list", "--json")
	run(exitRefused, "104 ", "sign", "--party", bank, user, "Pay?")
	run(0, "Bank: Pay?", "sign", "--party", bank, "--ap-password", "sesame", user, "Pay?")
	run(0, "", "party", "set", bank, "--unset", "password", "--unset=prefix", "--service", "none", "--profile", "any", "--limit", "requests=600/20", "--limit", "max_open=9",
		"--from", "127.0.0.0/8", "--geofence-allow", "CH,LI", "--geofence-verbose", "--geofence-max-age", "10m", "--geofence-min-confidence", "0.5", "--geofence-max-accuracy", "500")
	run(0, "", "sign", "--party", bank, user, "Pay?")
	run(0, `"geofence":{"country_whitelist":["CH","LI"],"enabled":true,"max_accuracy_meters":500,"max_timestamp_minutes":10,"min_device_confidence":0.5,"min_location_confidence":0.5,"verbose":true}`, "party", "list", "--json")
	run(0, "", "party", "set", bank, "--new-cert", own, "--shared-certs=false")
	run(exitRefused, "104 ", "sign", "--party", bank, user, "Pay?")
	run(0, "", "sign", "--party", bank, "--cert", own, user, "Pay?")
	run(0, "", "party", "add", bank, "--cert", own, "--name", "Bank", "--service", "subscriberinfo", "--auth-profile", "any", "--otp-prefix", "+41", "--geofence=false")
	run(0, "a certificate of its own", "party", "list")
	run(0, "", "party", "set", bank, "--password", "x")
	run(0, "", "party", "remove", bank)
	run(exitRefused, "104 ", "sign", "--ap-id", bank, user, "Pay?")

	run(exitRefused, "no such party", "party", "remove", bank)
	run(exitRefused, "can be changed but not removed", "party", "remove", "mid://sandbox")
	run(1, "nothing to change", "party", "set", bank)
	run(1, "--unset colour: not one of auth-profile", "party", "set", bank, "--unset", "colour")
	run(1, "is given by its flag", "party", "set", bank, "--unset", "prefix", "--prefix", "x")
	run(1, "such as requests=60/10", "party", "set", bank, "--limit", "requests=60")
	run(1, "such as requests=60/10", "party", "set", bank, "--limit", "max_open=1/2")
	run(1, "neither a URI nor one of", "party", "set", bank, "--profile", "nothing")
	run(1, "not whole minutes", "party", "set", bank, "--geofence-max-age", "10s")
	run(1, "has no certificate in PEM", "party", "set", bank, "--cert", secret)
	run(1, "file exists", "party", "add", bank, "--new-cert", own)
	fresh := filepath.Join(t.TempDir(), "fresh.pem")
	run(exitRefused, "no such party", "party", "set", bank, "--new-cert", fresh)
	if _, err := os.Stat(fresh); err == nil {
		t.Error("the certificate of a party that was refused stayed")
	}
	if st, err := os.Stat(own); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st, err)
	}
}

// TestRemoteControl: a program that has only the address, the token and the root certificate
// controls a sandbox.
func TestRemoteControl(t *testing.T) {
	box := t.TempDir()
	startSandbox(t, "--dir", box, "--phone-delay", "10ms", "--token", "a-token-of-my-own")
	sb, err := client.LoadSandbox(box)
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(box, client.SandboxServerCA)
	t.Setenv(envSandbox, filepath.Join(t.TempDir(), "elsewhere"))
	run := func(code int, want string, args ...string) {
		t.Helper()
		stdout, stderr, got := execute(t.Context(), newRootCmd(), "", args...)
		if got != code || !strings.Contains(stdout+stderr, want) || strings.Contains(stderr, "my-own") {
			t.Errorf("signum %s: exit %d, want %d and %q\n%s%s", strings.Join(args, " "), got, code, want, stdout, stderr)
		}
	}
	run(0, "mid://sandbox", "party", "list", "--url", sb.BaseURL, "--server-ca", ca, "--token", "a-token-of-my-own")
	run(exitRefused, "not the token of the sandbox", "party", "list", "--url", sb.BaseURL, "--server-ca", ca, "--token", "another token of them")
	run(1, "--token missing", "party", "list", "--url", sb.BaseURL, "--server-ca", ca)
	run(1, "must be the https address", "party", "list", "--url", "http://127.0.0.1:1", "--token", "a-token-of-my-own")
	run(exitUnreachable, "certificate", "party", "list", "--url", sb.BaseURL, "--token", "a-token-of-my-own")
	t.Setenv("SIGNUM_URL", sb.BaseURL)
	t.Setenv("SIGNUM_TOKEN", "a-token-of-my-own")
	t.Setenv("SIGNUM_SERVER_CA", ca)
	run(0, "", "phone", "set", "+41791000001", "cancel")
	run(0, "mid://sandbox", "party", "list")
	run(0, "mid://sandbox", "party", "list", "--sandbox", box)
}
