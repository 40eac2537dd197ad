//go:build !nolab

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/signum-mssp/signum/internal/lab/sandbox"
)

// TestFirstLines: a stranger sees the example first, then where everything is, then "ready". It fits
// a terminal of 80 columns, and no log line is in between.
func TestFirstLines(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "box")
	for _, phones := range []string{phonesAuto, phonesWeb} {
		said, stop := serveSandbox("--dir", dir, "--phone-delay", "10ms", "--phones", phones, "--user", "+41797895164")
		lines := strings.Split(strings.TrimSuffix(said, "\n"), "\n")
		if lines[0]+"\n" != title || !strings.HasPrefix(lines[len(lines)-1], "ready https://") {
			t.Errorf("%s: the first line is %q, the last %q", phones, lines[0], lines[len(lines)-1])
		}
		for _, line := range lines {
			if n := utf8.RuneCountInString(strings.ReplaceAll(line, dir, "/tmp/signum-sandbox-1234567890")); n > 80 {
				t.Errorf("%s: %d columns: %s", phones, n, line)
			}
		}
		if n := len(lines); n > 46 {
			t.Errorf("%s: %d lines", phones, n)
		}
		first := map[string]string{phonesAuto: "Example 1: ", phonesWeb: "The Apps that answered by themselves are removed"}[phones]
		if !strings.HasPrefix(lines[2], first) {
			t.Errorf("%s: it does not begin with %q:\n%s", phones, first, said)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
	guide, err := os.ReadFile(filepath.Join(dir, sandbox.GuideFile))
	if err != nil || !strings.Contains(string(guide), "\n  +41797895164  EC   SIM, App\n") {
		t.Errorf("%v: %s does not list the users:\n%s", err, sandbox.GuideFile, guide)
	}
	for line := range strings.Lines(string(guide)) {
		if utf8.RuneCountInString(line) > 81 {
			t.Errorf("%s: %s", sandbox.GuideFile, line)
		}
	}
}

// TestLogLevel: without --log, a sandbox logs what is wrong until it is ready, and a line a request
// from then on.
func TestLogLevel(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args      []string
		requests  bool // are logged once it is ready
		beginning bool // is logged too
	}{
		{nil, true, false},
		{[]string{"--log", "info"}, true, true},
		{[]string{"--log", "error"}, false, false},
	} {
		dir := t.TempDir()
		box := startProcess(t, append([]string{"sandbox", "--addr", "127.0.0.1:0", "--dir", dir, "--phone-delay", "10ms"}, tt.args...)...)
		box.said(t, "ready https://")
		if before := box.stderr.String(); strings.Contains(before, "level=INFO") != tt.beginning {
			t.Errorf("%v: before it was ready:\n%s", tt.args, before)
		}
		if _, stderr, code := execute(t.Context(), newRootCmd(), "", "sign", "--sandbox", dir, "+41791000001", "Hello"); code != 0 {
			t.Errorf("exit %d: %s", code, stderr)
		}
		box.interrupt(t)
		after := box.stderr.String()
		if strings.Contains(after, "entrance=rest op=MSS_Signature") != tt.requests {
			t.Errorf("%v: a request is not as expected:\n%s", tt.args, after)
		}
		if !tt.beginning && strings.Contains(after, "op=inbox") {
			t.Errorf("%v: its stopping is logged:\n%s", tt.args, after)
		}
	}
}
