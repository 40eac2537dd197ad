package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
)

// TestJSON checks the output on which scripts rely.
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

// A file that is too large for a signature is not read to its end.
func TestVerifyTooLarge(t *testing.T) {
	f := newFakeService(t)
	_, stderr, code := execute(t.Context(), newVerifyCmd(), strings.Repeat("x", maxFile+1), "--sandbox", f.dir, "-")
	if code != exitLocal || !strings.Contains(stderr, "larger than") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

func TestInterrupted(t *testing.T) {
	f := newFakeService(t)
	f.polls = 1 << 30
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f.asks = cancel
	stdout, stderr, code := execute(ctx, newSignCmd(), "", "--sandbox", f.dir, "--async", "--interval", "10ms", "+41791000001", "Hello")
	if code != exitLocal || stdout != "" || !strings.HasSuffix(stderr, "signum: interrupted; the request may still be on the phone\n") {
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
