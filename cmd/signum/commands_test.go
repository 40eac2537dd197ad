package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
)

func TestCommands(t *testing.T) {
	f := newFakeService(t)
	other := newFakeService(t)
	t.Setenv(envSandbox, "")
	t.Setenv(envPassword, "")
	noCA := t.TempDir()
	for _, name := range []string{client.SandboxFile, client.SandboxServerCA, client.SandboxCert, client.SandboxKey} {
		data, err := os.ReadFile(f.file(name))
		if err == nil {
			err = os.WriteFile(filepath.Join(noCA, name), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	const number = "+41791000001"
	byFlags := []string{"--url", f.url, "--ap-id", "mid://test", "--cert", f.file(client.SandboxCert), "--key", f.file(client.SandboxKey),
		"--server-ca", f.file(client.SandboxServerCA), "--user-ca", f.file(client.SandboxUserCA)}
	for _, tc := range []struct {
		name   string
		cmd    func() *cobra.Command
		args   []string
		polls  int
		code   int
		stdout []string // each must be in it; nil: it must be empty
		stderr string   // must be in it; empty: it must be empty
	}{
		{"sign", newSignCmd, []string{"--sandbox", f.dir, number, "Hello"}, 0, 0,
			[]string{"500 SIGNATURE", number, `"Test: Hello"`, "MIDCHE0123456789", "beef", "Verified     yes, by " + f.file(client.SandboxUserCA)}, ""},
		{"prefix is there", newSignCmd, []string{"--sandbox", f.dir, number, "Test: Hello"}, 0, 0, []string{`"Test: Hello"`}, ""},
		{"own prefix", newSignCmd, []string{"--sandbox", f.dir, "--prefix", "Mine: ", number, "Hello"}, 0, 0, []string{`"Mine: Hello"`}, ""},
		{"no prefix", newSignCmd, []string{"--sandbox", f.dir, "--no-prefix", number, "Hello"}, 0, 0, []string{`"Hello"`}, ""},
		{"by flags", newSignCmd, append([]string{number, "Hello"}, byFlags...), 0, 0, []string{`"Hello"`, "yes, by"}, ""},
		{"no user CA", newSignCmd, []string{"--sandbox", noCA, number, "Hello"}, 0, 0, []string{"Verified     NO, it was not checked"}, ""},
		{"async", newSignCmd, []string{"--sandbox", f.dir, "--async", "--interval", "1ms", number, "Hello"}, 3, 0,
			[]string{"500 SIGNATURE", "yes, by"}, "transaction h1: waiting for the user, 0s\n"},
		{"other text", newSignCmd, []string{"--sandbox", f.dir, number, "forged"}, 0, exitNotVerified,
			[]string{"Verified     NO: another text was signed"}, "signum: the signature does not verify: another text was signed: \"Test: other\"; do not rely on it\n"},
		{"other root", newSignCmd, []string{"--sandbox", f.dir, "--user-ca", other.file(client.SandboxUserCA), number, "Hello"}, 0, exitNotVerified,
			[]string{"Verified     NO: cms: chain"}, "does not verify"},
		{"refused", newSignCmd, []string{"--sandbox", f.dir, "+41790000101", "Hello"}, 0, exitRefused,
			nil, "signum: 105 UNKNOWN_CLIENT: MSISDN is unknown; the number has no active Mobile ID\n"},
		{"cancelled", newSignCmd, []string{"--sandbox", f.dir, "+41790000401", "Hello"}, 0, exitNotSigned, nil, "401 USER_CANCEL"},
		{"no service", newSignCmd, []string{"--sandbox", f.dir, "--url", "https://127.0.0.1:1", number, "Hello"}, 0, exitUnreachable, nil, "is the service running"},
		{"untrusted", newSignCmd, []string{"--sandbox", f.dir, "--server-ca", f.file(client.SandboxUserCA), number, "Hello"}, 0, exitUnreachable, nil, "check --server-ca"},
		{"no MSS", newSignCmd, []string{"--sandbox", f.dir, "--soap", number, "Hello"}, 0, exitUnreachable, nil, "HTTP 502"},
		{"nothing given", newSignCmd, []string{number, "Hello"}, 0, exitLocal, nil, "--url, --ap-id, --cert missing"},
		{"no sandbox", newSignCmd, []string{"--sandbox", "/nowhere", number, "Hello"}, 0, exitLocal, nil, "make one with: signum sandbox --dir /nowhere"},
		{"key alone", newSignCmd, []string{"--sandbox", f.dir, "--key", "x", number, "Hello"}, 0, exitLocal, nil, "--key without --cert"},
		{"bad cert", newSignCmd, []string{"--sandbox", f.dir, "--cert", f.file(client.SandboxFile), number, "Hello"}, 0, exitLocal, nil, "--cert"},
		{"bad root", newSignCmd, []string{"--sandbox", f.dir, "--user-ca", f.file(client.SandboxFile), number, "Hello"}, 0, exitLocal, nil, "--user-ca"},
		{"no text", newSignCmd, []string{"--sandbox", f.dir, number}, 0, exitLocal, nil, "accepts 2 arg(s)"},
		{"no profile", newSignCmd, []string{"--sandbox", f.dir, "--profile", "best", number, "Hello"}, 0, exitLocal, nil, "--profile best: neither a URI nor one of any, stk,"},
		{"no location", newSignCmd, []string{"--sandbox", f.dir, "--geofence", "+41790000103", "Hello"}, 0, 0,
			[]string{"Location     not known: 103 User denied"}, ""},
		{"services", newSignCmd, []string{"--sandbox", f.dir, "--geofence-allow", "CH", "--subscriber-info", "--validate", number, "Hello"}, 0, 0,
			[]string{"502 VALID_SIGNATURE", "Location     CH, within 16 m, measured 2026-01-02T03:04:05.000Z", "Confidence   device 1.0, location 0.9", "Network      22801", "yes, by"}, ""},
		{"bad age", newSignCmd, []string{"--sandbox", f.dir, "--geofence-max-age", "90s", number, "Hello"}, 0, exitLocal, nil, "not whole minutes"},
		{"app2app", newSignCmd, []string{"--sandbox", f.dir, "--app2app", "myapp://done", "--interval", "1ms", number, "Hello"}, 2, 0,
			[]string{"500 SIGNATURE", "yes, by"}, "auth_uri mobileid://auth?session_token=t\ntransaction h1: waiting"},
		{"one-time password", newSignCmd, []string{"--sandbox", f.dir, "--profile", "otp", number, "1234"}, 0, 0, []string{"100 REQUEST_OK", "Transaction  h1"}, ""},
		{"one-time password, async", newSignCmd, []string{"--sandbox", f.dir, "--profile", "OTP-flash", "--async", "--interval", "1ms", number, "1234"}, 1, 0,
			[]string{"100 REQUEST_OK"}, "waiting"},
		{"nothing to store", newSignCmd, []string{"--sandbox", f.dir, "--profile", "otp", "--out", "x", number, "1234"}, 0, exitLocal, nil, "no signature to store"},
		{"out fails", newSignCmd, []string{"--sandbox", f.dir, "--out", "/nowhere/x", number, "Hello"}, 0, exitLocal, []string{"yes, by"}, "could not be stored"},

		{"status", newStatusCmd, []string{"--sandbox", f.dir, "h1"}, 0, 0, []string{"500 SIGNATURE", "yes, by"}, ""},
		{"outstanding", newStatusCmd, []string{"--sandbox", f.dir, "h1"}, 1, 0, []string{"504 OUTSTANDING_TRANSACTION"}, ""},
		{"wait", newStatusCmd, []string{"--sandbox", f.dir, "--wait", "--interval", "1ms", "h1"}, 3, 0, []string{"500 SIGNATURE", "yes, by"}, ""},
		{"unknown transaction", newStatusCmd, []string{"--sandbox", f.dir, "h2"}, 0, exitRefused, nil, "There is no such transaction; it was another party's"},
		{"unknown transaction, JSON", newStatusCmd, []string{"--sandbox", f.dir, "--json", "h2"}, 0, exitRefused,
			[]string{`{"status":101,"reason":"WRONG_PARAM","detail":"There is no such transaction.","trans_id":"h2"}`}, "signum: 101"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f.polls = tc.polls
			if tc.cmd().Name() == "status" {
				f.pending = base64.StdEncoding.EncodeToString(f.sign("Test: Hello"))
			}
			stdout, stderr, code := execute(t.Context(), tc.cmd(), "", tc.args...)
			if code != tc.code {
				t.Errorf("exit code %d, want %d", code, tc.code)
			}
			for _, want := range tc.stdout {
				if !strings.Contains(stdout, want) {
					t.Errorf("no %q in output", want)
				}
			}
			if tc.stdout == nil && stdout != "" || tc.stderr == "" && stderr != "" || !strings.Contains(stderr, tc.stderr) {
				t.Errorf("want on standard error: %q", tc.stderr)
			}
			if code != 0 && strings.Count(stderr, "\n") != 1 || strings.Contains(stderr, "\x1b") {
				t.Error("the error is not one clean line")
			}
			if t.Failed() {
				t.Logf("stdout:\n%sstderr:\n%s", stdout, stderr)
			}
		})
	}
}

// TestJSON: what scripts rely on.
func TestJSON(t *testing.T) {
	f := newFakeService(t)
	t.Setenv(envSandbox, f.dir)
	out := filepath.Join(t.TempDir(), "x.der")
	stdout, stderr, code := execute(t.Context(), newSignCmd(), "", "--json", "--out", out, "+41791000001", "Hello & <good> day")
	var got map[string]any
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != 0 || stderr != "" || strings.Count(stdout, "\n") != 1 {
		t.Fatalf("%v, %d, %s%s", err, code, stdout, stderr)
	}
	der, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]any{
		"status": 500., "reason": "SIGNATURE", "trans_id": "h1", "msisdn": "+41791000001", "profile": "p",
		"verification": "ok", "text": "Test: Hello & <good> day", "signer": "MIDCHE0123456789", "certificate": "beef",
		"cms": base64.StdEncoding.EncodeToString(der),
	} {
		if got[field] != want {
			t.Errorf("%s is %v, want %v", field, got[field], want)
		}
	}
	at, err := time.Parse(time.RFC3339, fmt.Sprint(got["signing_time"]))
	if err != nil || time.Since(at) > time.Minute {
		t.Errorf("signing_time %v", got["signing_time"])
	}

	stdout, _, code = execute(t.Context(), newSignCmd(), "", "--json", "+41790000401", "Hello")
	if !strings.HasPrefix(stdout, `{"status":401,"reason":"USER_CANCEL","detail":"User cancelled the request","msisdn":"+41790000401"`) || code != exitNotSigned {
		t.Errorf("%d %s", code, stdout)
	}
}

func TestVerifyCommand(t *testing.T) {
	f, other := newFakeService(t), newFakeService(t)
	t.Setenv(envSandbox, "")
	der := f.sign("Test: Hello")
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	b64 := base64.StdEncoding.EncodeToString(der)
	derFile := write("der", der)
	for _, tc := range []struct {
		name  string
		stdin string
		args  []string
		code  int
		want  string // in either output
	}{
		{"DER", "", []string{"--sandbox", f.dir, derFile}, 0, `"Test: Hello"`},
		{"PEM", "", []string{"--sandbox", f.dir, write("pem", pem.EncodeToMemory(&pem.Block{Type: "CMS", Bytes: der}))}, 0, "MIDCHE0123456789"},
		{"Base64", "", []string{"--sandbox", f.dir, write("b64", []byte(b64[:64]+"\r\n"+b64[64:]+"\n"))}, 0, "yes, by"},
		{"standard input", b64, []string{"--user-ca", f.file(client.SandboxUserCA), "-"}, 0, "yes, by"},
		{"text", "", []string{"--sandbox", f.dir, "--text", "Test: Hello", derFile}, 0, "yes, by"},
		{"other text", "", []string{"--sandbox", f.dir, "--text", "", derFile}, exitNotVerified, "another text was signed"},
		{"other root", "", []string{"--sandbox", other.dir, derFile}, exitNotVerified, "does not verify"},
		{"other root, JSON", "", []string{"--sandbox", other.dir, "--json", derFile}, exitNotVerified, `"verification":"failed"`},
		{"no CMS", "", []string{"--sandbox", f.dir, write("text", []byte("hello"))}, exitNotVerified, "does not verify"},
		{"empty", "", []string{"--sandbox", f.dir, "-"}, exitNotVerified, "does not verify"},
		{"too large", strings.Repeat("x", maxFile+1), []string{"--sandbox", f.dir, "-"}, exitLocal, "larger than"},
		{"no file", "", []string{"--sandbox", f.dir, filepath.Join(dir, "absent")}, exitLocal, "no such file"},
		{"no roots", "", []string{derFile}, exitLocal, "--user-ca FILE"},
	} {
		stdout, stderr, code := execute(t.Context(), newVerifyCmd(), tc.stdin, tc.args...)
		if code != tc.code || !strings.Contains(stdout+stderr, tc.want) {
			t.Errorf("%s: exit %d\n%s%s", tc.name, code, stdout, stderr)
		}
	}
}

func TestInterrupted(t *testing.T) {
	f := newFakeService(t)
	f.polls = 1 << 30
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f.asks = cancel
	stdout, stderr, code := execute(ctx, newSignCmd(), "", "--sandbox", f.dir, "--async", "--interval", "10ms", "+41791000001", "Hello")
	if code != exitLocal || stdout != "" || !strings.Contains(stderr, "interrupted") {
		t.Errorf("%d %s%s", code, stdout, stderr)
	}
}

// TestExitCodes: every code of the standard has a meaning for scripts.
func TestExitCodes(t *testing.T) {
	for c := signum.Code(100); c < 1000; c++ {
		want := exitRefused
		switch {
		case c == 503:
			want = exitNotVerified
		case c/100 == 2, c/100 == 3, c/100 == 4, c/100 == 5:
			want = exitNotSigned
		}
		err := fmt.Errorf("wrapped: %w", explain(&signum.Fault{Code: c, Detail: "a\n\x1b[31mb\u202e"}))
		if got := exitCode(err); got != want {
			t.Errorf("%d: exit code %d, want %d", int(c), got, want)
		}
		if strings.ContainsAny(err.Error(), "\n\x1b\u202e") || signum.AsFault(err) == nil {
			t.Errorf("%d: %q", int(c), err)
		}
	}
	for err, want := range map[error]int{
		nil:                             0,
		errors.New("x"):                 exitLocal,
		explain(errors.New("x")):        exitLocal,
		explain(context.Canceled):       exitLocal,
		explain(&client.TimeoutError{}): exitUnreachable,
		explain(&client.TransportError{Err: errors.New("x")}): exitUnreachable,
		explain(&client.AnswerError{Err: errors.New("x")}):    exitUnreachable,
	} {
		if got := exitCode(err); got != want {
			t.Errorf("%v: exit code %d, want %d", err, got, want)
		}
	}
}

func TestProgress(t *testing.T) {
	var b strings.Builder
	p := progress{w: &b}
	for s := range 25 {
		status := signum.OutstandingTransact
		if s == 0 {
			status = signum.RequestOK
		}
		p.update(client.Progress{TransID: "h1", Waited: time.Duration(s) * time.Second, Status: status})
	}
	p.done()
	if got := strings.Count(b.String(), "\n"); got != 3 || strings.Contains(b.String(), "\r") {
		t.Errorf("plain:\n%s", b.String())
	}
	b.Reset()
	p = progress{w: &b, live: true}
	p.begin("+41", time.Minute)
	p.update(client.Progress{TransID: "h1", Waited: time.Second, Status: 504})
	p.done()
	p.done()
	if got := b.String(); strings.Contains(got, "\n") || strings.Count(got, "\r\x1b[K") != 3 || !strings.HasSuffix(got, "\r\x1b[K") {
		t.Errorf("live: %q", got)
	}
}
