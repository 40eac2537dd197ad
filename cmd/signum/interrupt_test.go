//go:build !nolab

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestStartInterrupted presses Ctrl-C at each stage of a start. The sandbox says no more than that, and a
// start that was not finished leaves nothing behind.
func TestStartInterrupted(t *testing.T) {
	t.Parallel()
	for _, stage := range []string{
		"file private", "file private/server.key", "file ap-rsa.crt", "file private/ca", "file private/signum.db", "file private/cards/*",
		"file private/apps/*", "file sandbox.json", "line Signum sandbox", "line Example 1", "line Example 2", "line   MSSP", "line ready",
	} {
		for _, once := range []bool{false, true} {
			if once && stage != "file private/ca" && stage != "line Example 2" {
				continue
			}
			args := []string{"sandbox", "--addr", "127.0.0.1:0", "--phone-delay", "20ms"}
			dir := filepath.Join(t.TempDir(), "made", "box")
			if once {
				args = append(args, "--once")
			} else {
				args = append(args, "--dir", dir)
			}
			p := startProcess(t, args...)
			if once {
				dir = filepath.Join(p.tmp, "signum-sandbox-*")
			}
			p.reached(t, dir, stage)
			code := p.interrupt(t)
			stdout, stderr := p.stdout.String(), p.stderr.String()
			finished := strings.Contains(stdout, "\nready ") || once && code == 0
			switch {
			case once && code == 0 && stderr == "" && strings.Count(stdout, "VERIFIED") == 2: // it was faster
			case stderr != "interrupted\n", (code == 0) != finished:
				t.Errorf("%s, once %t: exit %d\n%s%s", stage, once, code, stdout, stderr)
			}
			left := tree(t, p.tmp)
			if !once {
				if _, err := os.Stat(filepath.Join(dir, "sandbox.json")); err != nil {
					left = append(left, tree(t, filepath.Dir(filepath.Dir(dir)))...)
				}
			}
			if len(left) > 0 {
				t.Errorf("%s, once %t: left behind %q", stage, once, left)
			}
		}
	}
}

// reached waits for a stage: a file in the directory, or a line of output. A process that has ended
// has reached it.
func (p *process) reached(t *testing.T, dir, stage string) {
	t.Helper()
	kind, what, _ := strings.Cut(stage, " ")
	if kind == "line" {
		for p.lines.Scan() {
			p.stdout.WriteString(p.lines.Text() + "\n")
			if strings.Contains(p.lines.Text(), what) {
				return
			}
		}
		return
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if found, _ := filepath.Glob(filepath.Join(dir, what)); len(found) > 0 {
			return
		}
		if strings.Contains(p.stderr.String(), "signum:") {
			break
		}
	}
	t.Fatalf("it did not reach %q:\n%s", stage, p.stderr)
}

// TestFailedStart: a start that fails for a reason that only the start shows leaves nothing behind
// either, and an existing directory stays as it was.
func TestFailedStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(t.TempDir(), "broken.db")
	if err := os.WriteFile(broken, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	before := tree(t, dir)
	for _, args := range [][]string{
		{"--dir", dir, "--store", "sqlite:" + broken},
		{"--store", "sqlite:" + broken},
		{"--once", "--store", "sqlite:" + broken},
	} {
		p := startProcess(t, append([]string{"sandbox", "--addr", "127.0.0.1:0"}, args...)...)
		if code := p.code(); code != exitLocal || strings.Count(p.stderr.String(), "\n") != 1 {
			t.Errorf("%q: exit %d\n%s", args, code, p.stderr)
		}
		if left := tree(t, p.tmp); len(left) > 0 {
			t.Errorf("%q: left behind %q", args, left)
		}
	}
	if after := tree(t, dir); strings.Join(after, "\n") != strings.Join(before, "\n") {
		t.Errorf("before %q\nafter  %q", before, after)
	}
}
