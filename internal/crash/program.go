//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

const programPath = "github.com/signum-mssp/signum/cmd/signum"

// buildProgram builds the program as releases are built, static and without the race
// detector, and returns its path.
func buildProgram(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "signum")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, programPath)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", programPath, err, out)
	}
	return binary, nil
}

// process is a program that runs. It dies with this process.
type process struct {
	cmd   *exec.Cmd
	lines chan string   // of standard output; closed at its end
	dead  chan struct{} // closed when it has ended
}

// launch starts a program whose output goes to a log.
func launch(log io.Writer, program string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(program, args...), lines: make(chan string, 1024), dead: make(chan struct{})}
	p.cmd.Stderr = log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.dead)
		for in := bufio.NewScanner(out); in.Scan(); {
			fmt.Fprintln(log, in.Text())
			select {
			case p.lines <- in.Text():
			default: // nobody waits for it
			}
		}
		close(p.lines)
		_ = p.cmd.Wait() // killed, mostly
	}()
	return p, nil
}

// said waits for a line that starts with a word, and returns the rest of it.
func (p *process) said(ctx context.Context, word string) (string, error) {
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				<-p.dead
				return "", fmt.Errorf("%s ended without %q: %v", filepath.Base(p.cmd.Path), word, p.cmd.ProcessState)
			}
			if rest, found := strings.CutPrefix(line, word); found {
				return strings.TrimSpace(rest), nil
			}
		case <-ctx.Done():
			return "", fmt.Errorf("%s did not say %q: %w", filepath.Base(p.cmd.Path), word, ctx.Err())
		}
	}
}

// signal sends a signal to the process and its children, if it runs.
func (p *process) signal(s syscall.Signal) {
	if p.alive() {
		_ = syscall.Kill(-p.cmd.Process.Pid, s)
	}
}

// kill ends the process at once, and returns when it has ended. There may be none.
func (p *process) kill() {
	if p == nil {
		return
	}
	p.signal(syscall.SIGKILL)
	<-p.dead
}

// alive reports whether the process has not ended.
func (p *process) alive() bool {
	select {
	case <-p.dead:
		return false
	default:
		return true
	}
}
