//go:build !nolab

package main

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/testkit"
)

// process is the program as a process of its own, for what only a process can show:
// signals, exit codes, and what is left of it.
type process struct {
	cmd    *exec.Cmd
	tmp    string         // its directory for temporary files
	lines  *bufio.Scanner // of standard output
	stdout strings.Builder
	stderr *testkit.Buffer
}

// startProcess runs the program. Package testscript runs it instead of the tests if it is
// called by this name.
func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	return startProcessIn(t, nil, args...)
}

// startProcessIn is startProcess with variables of the environment besides those of the tests.
func startProcessIn(t *testing.T, environ []string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0], args...), stderr: new(testkit.Buffer)}
	p.cmd.Args[0] = "signum"
	p.tmp = t.TempDir()
	p.cmd.Env = append(append(os.Environ(), "TMPDIR="+p.tmp), environ...)
	p.cmd.Stderr = p.stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.lines = bufio.NewScanner(out)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
	})
	return p
}

// said waits for a line of standard output that starts with a text.
func (p *process) said(t *testing.T, start string) {
	t.Helper()
	for p.lines.Scan() {
		p.stdout.WriteString(p.lines.Text() + "\n")
		if strings.HasPrefix(p.lines.Text(), start) {
			return
		}
	}
	t.Fatalf("it ended without %q:\n%s%s", start, &p.stdout, p.stderr)
}

// code waits for the end and returns the exit code.
func (p *process) code() int {
	for p.lines.Scan() {
		p.stdout.WriteString(p.lines.Text() + "\n")
	}
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

// interrupt presses Ctrl-C and returns the exit code.
func (p *process) interrupt(t *testing.T) int {
	t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	return p.code()
}
